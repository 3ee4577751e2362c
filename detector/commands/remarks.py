"""What a detection remarks on its own course, as findings: what was left out, done otherwise, or not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from detector.base.budget import Budget
from detector.base.findings import Finding, Json, Severity
from detector.mapping.bundles import Bundle
from detector.mapping.configuration import Configuration
from detector.rounds.preprocessing import Preprocessing


def nothing_learned(bundle: Bundle, architecture: str) -> Finding:
    """The bundle has no parameters for the architecture."""
    message = f"the bundle {bundle.name} holds nothing for {architecture}: the answer is its base rate"
    return Finding(Severity.WARNING, "nothing_learned", message, {"bundle": bundle.name, "architecture": architecture})


def preprocessed_otherwise(used: Preprocessing, fitted: Preprocessing, sizes: Sequence[int]) -> Finding | None:
    """The images are not preprocessed as those that the parameters were learned on, if that is so.

    `sizes` are the pixels a side that the parameters were learned on beside those of `fitted`.
    """
    evidence: dict[str, Json] = {"used": used.name, "fitted": fitted.name}
    if used.crop in (fitted.crop, *sizes):
        if _alike(used, fitted):
            return None
        message = f"images are preprocessed as {used.name}, the regression was fitted on {fitted.name}"
        return Finding(Severity.WARNING, "preprocessing_overridden", message, evidence)
    learned = f"{min(sizes)} to {max(sizes)}" if len(sizes) > 1 else str(fitted.crop)
    message = f"images of {used.crop} x {used.crop} pixels, learned on {learned}: not validated for this size"
    return Finding(Severity.WARNING, "other_image_size", message, evidence)


def _alike(used: Preprocessing, fitted: Preprocessing) -> bool:
    """Whether they differ in nothing but sizes."""
    return replace(used, name=fitted.name, crop=fitted.crop, uncropped=fitted.uncropped) == fitted


def dropped(configuration: Configuration, needed: float, remaining: float, *, begun: bool) -> Finding:
    """A configuration was not measured, or not to its end: it does not fit the time that is left."""
    variants, probes, images = sum(configuration.num_pruned_models), len(configuration.probes), configuration.num_images
    passes = [f"{variants} pruned models"] if variants or not probes else []
    passes += [f"{probes} probes"] if probes else []
    left = f"{max(remaining, 0):.1f} s were left"
    if begun:
        reason = f"about {needed:.1f} s were foreseen, but it took longer, and when it was given up {left}"
    elif needed:
        reason = f"it takes about {needed:.1f} s, margin included, {left}"
    else:
        reason = f"{left}, too few to learn how long it takes"
    message = f"the configuration of {' and '.join(passes)} on {images} images was dropped: {reason}"
    evidence = {"cost": configuration.cost, "needed_seconds": needed, "remaining_seconds": remaining}
    return Finding(Severity.WARNING, "configuration_dropped", message, evidence)


def out_of_time(budget: Budget, image_seconds: float) -> Finding:
    """No configuration was measured."""
    message = "no configuration fits the time budget: the answer is the base rate, raise infer_max_seconds"
    evidence = {"budget_seconds": budget.seconds, "image_seconds": image_seconds}
    return Finding(Severity.ERROR, "out_of_time", message, evidence)
