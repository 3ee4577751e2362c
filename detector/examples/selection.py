"""Which of the listed examples are measured with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from detector.examples.listing import Listing
from detector.pruning.theta import SelectionRule


def select(listing: Listing, num_images: int, rule: SelectionRule) -> tuple[int, ...]:
    """Indices of the `num_images` = |D| images to measure with, ascending; all of them where there are fewer.

    `nist` is NIST's reference code: every (available // |D|)-th of the names in text order, from half a step on.
    `paper`, which only asks for |D| images, takes turns over the classes, then spreads evenly within each class.
    """
    if num_images < 1:
        raise ValueError(f"expected at least one image, got {num_images}")
    count = min(num_images, len(listing))
    if rule is SelectionRule.NIST:
        step = len(listing) // count
        return tuple(range(step // 2, len(listing), step)[:count])
    by_class: dict[int, list[int]] = defaultdict(list)
    for index in sorted(range(len(listing)), key=lambda index: (listing.names[index].number, index)):
        by_class[listing.names[index].label].append(index)
    shares = _shares({label: len(indices) for label, indices in sorted(by_class.items())}, count)
    return tuple(sorted(i for label, share in shares.items() for i in _spread(by_class[label], share)))


def _shares(available: dict[int, int], count: int) -> dict[int, int]:
    """How many of `count` images each class gives when the classes take turns, in order, while they have any."""
    shares = dict.fromkeys(available, 0)
    while count:
        for label in [label for label in available if shares[label] < available[label]][:count]:
            shares[label] += 1
            count -= 1
    return shares


def _spread(items: Sequence[int], count: int) -> list[int]:
    """`count` of the items, each from the middle of one of `count` equal stretches."""
    return [items[(2 * i + 1) * len(items) // (2 * count)] for i in range(count)]
