"""Preprocessing is found, not assumed: the profile under which the unpruned network knows its clean examples best.

A network that sees its images prepared in another way than in training errs on them; so its own answers say which
profile is right. Few profiles fit images of one size, and the documented one is asked first: where it has no error,
nothing can be better, and no other is tried. Scalings and channel orders that no round has are tried at the rounds'
sizes, and square images of a size that no profile has are taken as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product

from detector.base.findings import Finding, Json, Severity
from detector.examples.images import sizes, takes_any
from detector.examples.listing import Listing
from detector.rounds.preprocessing import PROFILES
from detector.rounds.profile import ChannelOrder, Preprocessing, Scaling
from detector.rounds.registry import ROUNDS

_SMALLEST, _LARGEST = 32, 299  # pixels a side of images that are taken as they are


@dataclass(frozen=True)
class ProfileChoice:
    """The profile to measure with, the accuracies by name of all that were tried, and the finding that tells."""

    profile: Preprocessing
    accuracies: Mapping[str, float]
    finding: Finding


def candidate_profiles(listing: Listing, num_classes: int | None = None) -> tuple[Preprocessing, ...]:
    """The different profiles that take an image of the listing, those of the rounds it can be of first; then the same
    sizes with every other scaling and channel order.

    A listing can be of a round by the names of its examples and, where it is known, the number of classes.
    """
    likely = [layout.profile for layout in ROUNDS.values() if _can_be_of(layout.name, listing, num_classes)]
    different = dict.fromkeys((*likely, *PROFILES.values()))
    taking = [profile for profile in different if takes_any(listing, profile)] or [*_of_other_size(listing)]
    return tuple(dict.fromkeys((*taking, *(other for profile in taking for other in _otherwise(profile)))))


def documented_profile(wanted: Preprocessing, listing: Listing, *, any_size: bool) -> Preprocessing:
    """The profile to begin with: the wanted one, unless it takes no image and one of another size does; with
    `any_size` also one that no profile has."""
    usual = (one for one in PROFILES.values() if one.mean is None and one.scaling is Scaling.DIV255)
    known = (one for one in (wanted, PROFILES["round2"], *usual) if takes_any(listing, one))
    return next(chain(known, _of_other_size(listing) if any_size else ()), wanted)


def _of_other_size(listing: Listing) -> tuple[Preprocessing, ...]:
    """What takes the commonest square size as it is, or nothing."""
    square = Counter(width for width, height in sizes(listing) if width == height and _SMALLEST <= width <= _LARGEST)
    return tuple(
        Preprocessing(f"size_{width}", width, ChannelOrder.RGB, Scaling.DIV255, width)
        for width, _ in square.most_common(1)
    )


def of_same_size(profile: Preprocessing) -> tuple[Preprocessing, ...]:
    """The candidates for photographs, which any size would take: the profile, then its size with every other scaling
    and channel order."""
    return tuple(dict.fromkeys((profile, *_otherwise(profile))))


def _otherwise(profile: Preprocessing) -> tuple[Preprocessing, ...]:
    """The same size, with every scaling and channel order, and with ImageNet's mean and deviation."""
    imagenet = PROFILES["imagenet"]
    normalised = (imagenet.channel_order, imagenet.scaling, imagenet.mean, imagenet.deviation)
    plain = ((order, scaling, None, None) for order, scaling in product(ChannelOrder, Scaling))
    return tuple(
        replace(
            profile,
            name=f"{profile.name} with {_described(order, scaling, normalised=mean is not None)}",
            channel_order=order,
            scaling=scaling,
            mean=mean,
            deviation=deviation,
        )
        for order, scaling, mean, deviation in (*plain, normalised)
    )


def _described(order: ChannelOrder, scaling: Scaling, *, normalised: bool) -> str:
    return f"{order}, {scaling}" + (", mean and deviation of ImageNet" if normalised else "")


def _can_be_of(name: str, listing: Listing, num_classes: int | None) -> bool:
    layout = ROUNDS[name]
    in_range = num_classes is None or layout.takes(num_classes)
    return in_range and any(layout.examples.matches(path) for path in listing.paths)


def choose_profile(
    candidates: Sequence[Preprocessing], documented: Preprocessing, accuracy: Callable[[Preprocessing], float | None]
) -> ProfileChoice:
    """The best of the candidates, the documented one on ties where it is among them, else the first of the best.

    Parameters
    ----------
    candidates
        Profiles that take the images, see `candidate_profiles`; names do not count, only what they do.
    documented
        What the learned parameters, or the round's documentation, name.
    accuracy
        Of the unpruned network on its clean examples under a profile, in [0, 1]; None where it cannot be told, which
        leaves the profile out. Asked once for each at most.

    Raises
    ------
    ValueError
        There is no candidate whose accuracy can be told.
    """
    first = [documented] if documented in candidates else []
    accuracies: dict[Preprocessing, float] = {}
    for profile in dict.fromkeys((*first, *candidates)):
        told = accuracy(profile)
        if told is not None:
            accuracies[profile] = told
        if told == 1.0:
            break
    if not accuracies:
        raise ValueError("expected at least one profile that takes the images")
    chosen = max(accuracies, key=lambda profile: accuracies[profile])  # the first of equal ones
    by_name = {profile.name: value for profile, value in accuracies.items()}
    return ProfileChoice(chosen, by_name, _finding(chosen, documented, by_name))


def _finding(chosen: Preprocessing, documented: Preprocessing, accuracies: Mapping[str, float]) -> Finding:
    evidence: dict[str, Json] = {
        "used": chosen.name,
        "documented": documented.name,
        "accuracies": dict(accuracies),
    }
    best = f"the unpruned network classifies {accuracies[chosen.name]:.1%} of its clean examples correctly"
    if chosen == documented:
        message = f"images are preprocessed as documented ({chosen.name}): {best}"
        return Finding(Severity.INFO, "preprocessing_found", message, evidence)
    before = accuracies.get(documented.name)
    instead = "which does not take them" if before is None else f"with which it is {before:.1%}"
    message = f"images are preprocessed as {chosen.name}, not as documented ({documented.name}, {instead}): {best}"
    return Finding(Severity.WARNING, "preprocessing_found", message, evidence)
