"""Documents as they were before format 4: coefficients in the order of the features, signals by name alone."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from detector.mapping.configuration import Configuration, Figures
from detector.mapping.parameters import LearnedParameters, to_document
from detector.mapping.weighted_sum import WeightedSum
from detector.pruning.theta import theta_to_document


def format_3_document(parameters: LearnedParameters) -> dict[str, Any]:
    """The form of all that format 3 could say."""
    configurations = [_configuration(configuration) for configuration in parameters.configurations]
    return to_document(parameters) | {"format_version": 3, "configurations": configurations}


def _configuration(configuration: Configuration) -> dict[str, Any]:
    mapping = configuration.mapping
    assert isinstance(mapping, WeightedSum)
    return {
        "thetas": [theta_to_document(theta) for theta in configuration.thetas],
        "signals": list(configuration.signals),
        "reduction": configuration.reduction,
        "kind": mapping.name,
        "intercept": mapping.intercept,
        "coefficients": [value for _, value in mapping.coefficients],
        "held_out": _figures(configuration.held_out),
        "in_sample": _figures(configuration.in_sample),
        "cost": configuration.cost,
    }


def _figures(figures: Figures | None) -> dict[str, Any] | None:
    """Answers themselves were not kept then."""
    return {name: value for name, value in asdict(figures).items() if name != "answers"} if figures else None
