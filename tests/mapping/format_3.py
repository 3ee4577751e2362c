"""Documents as they were before format 4: coefficients in the order of the features, signals by name alone."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from detector.mapping.configuration import Configuration
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
        "held_out": asdict(configuration.held_out) if configuration.held_out else None,
        "in_sample": asdict(configuration.in_sample) if configuration.in_sample else None,
        "cost": configuration.cost,
    }
