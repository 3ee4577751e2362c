"""Names of numbers in files that do not tell them: readings before format 2, bundles before format 4.

Those files held the numbers of the signals' first versions, in this order.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

FIRST_VERSION = 1

FIRST_NUMBERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "classifier_weights": (
            "largest_sum",
            "smallest_sum",
            "sum_gap",
            "largest_norm",
            "smallest_norm",
            "norm_gap",
        ),
        "unpruned": (
            "accuracy",
            "log_probability",
            "margin",
            "entropy",
            "concentration",
            "lowest_recall",
            "log_classes",
        ),
        "attraction": (
            "largest_pair",
            "pair_gap",
            "pair_deviation",
            "pair_outlier",
            "largest_class",
            "class_gap",
            "class_deviation",
            "class_outlier",
        ),
    }
)
"""Of each signal of the network itself the names of its numbers, in the order of the file."""
