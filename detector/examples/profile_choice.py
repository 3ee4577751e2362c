"""Preprocessing is found, not assumed: the profile under which the unpruned network knows its clean examples best.

A network that sees its images prepared in another way than in training errs on them; so its own answers say which
profile is right. Few profiles fit images of one size, and the documented one is asked first: where it has no error,
nothing can be better, and no other is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from detector.base.findings import Finding, Json, Severity
from detector.examples.images import takes_any
from detector.examples.listing import Listing
from detector.rounds.preprocessing import PROFILES
from detector.rounds.profile import Preprocessing
from detector.rounds.registry import ROUNDS


@dataclass(frozen=True)
class ProfileChoice:
    """The profile to measure with, the accuracies by name of all that were tried, and the finding that tells."""

    profile: Preprocessing
    accuracies: Mapping[str, float]
    finding: Finding


def candidate_profiles(listing: Listing, num_classes: int | None = None) -> tuple[Preprocessing, ...]:
    """The different profiles that take an image of the listing, those of the rounds it can be of first.

    A listing can be of a round by the names of its examples and, where it is known, the number of classes.
    """
    likely = [layout.profile for layout in ROUNDS.values() if _can_be_of(layout.name, listing, num_classes)]
    different = dict.fromkeys((*likely, *PROFILES.values()))
    return tuple(profile for profile in different if takes_any(listing, profile))


def _can_be_of(name: str, listing: Listing, num_classes: int | None) -> bool:
    layout = ROUNDS[name]
    in_range = num_classes is None or layout.takes(num_classes)
    return in_range and any(layout.examples.matches(path) for path in listing.paths)


def choose_profile(
    candidates: Sequence[Preprocessing], documented: Preprocessing, accuracy: Callable[[Preprocessing], float]
) -> ProfileChoice:
    """The best of the candidates, the documented one on ties where it is among them, else the first of the best.

    Parameters
    ----------
    candidates
        Profiles that take the images, see `candidate_profiles`; names do not count, only what they do.
    documented
        What the learned parameters, or the round's documentation, name.
    accuracy
        Of the unpruned network on its clean examples under a profile, in [0, 1]; asked once for each at most.

    Raises
    ------
    ValueError
        There is no candidate.
    """
    if not candidates:
        raise ValueError("expected at least one profile that takes the images")
    first = [documented] if documented in candidates else []
    accuracies: dict[Preprocessing, float] = {}
    for profile in dict.fromkeys((*first, *candidates)):
        accuracies[profile] = accuracy(profile)
        if accuracies[profile] >= 1.0:
            break
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
