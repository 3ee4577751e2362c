"""What may stand in metaparameters.json, and its JSON Schema: every word of it comes from a registry or an enum.

NIST's checker reads the schema as plain JSON, in which every key is required, words are listed and numbers bounded. So
the file is written by `python -m detector.commands --write` (`make schema`), and a test compares it. Who it speaks of
(technique, repository) is taken from the file as it stands, and so are the values of metaparameters.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from detector.base.findings import Json
from detector.commands.settings import LEARNED
from detector.learning.fitting import fittings
from detector.pruning.method import Parameter, methods
from detector.pruning.theta import LayerRange, RankingMethod, SamplingMethod, SelectionRule, all_parameters
from detector.rounds.preprocessing import PROFILES
from detector.signals.features import Reduction
from detector.signals.registry import SIGNALS, Signal, VariantSignal, without_probes
from detector.sweep.grids import Grid

Document = dict[str, Any]
_MADE = ("type", "additionalProperties", "required", "properties")  # all else is the file's own


@dataclass(frozen=True)
class Metaparameter:
    """One key.

    Attributes
    ----------
    rule
        What its value may be, as JSON Schema.
    default
        Of a key that follows from a registry: its value where metaparameters.json has none yet. None: it has one.
    """

    name: str
    description: str
    rule: Mapping[str, Json] = field(hash=False)
    default: float | bool | None = None


def metaparameters(bundles: Iterable[str]) -> tuple[Metaparameter, ...]:
    """All keys, sorted by name; `bundles` are those that ship."""
    parameters = (_of_parameter(parameter) for parameter in all_parameters().values())
    signals = (_of_signal(SIGNALS[name]) for name in without_probes())
    found = (*_of_infer(sorted(bundles)), *_of_theta(), *_of_learning(), *parameters, *signals)
    return tuple(sorted(found, key=lambda one: one.name))


def schema_document(present: Mapping[str, Any], bundles: Iterable[str]) -> Document:
    """The schema, with what `present` says of technique and repository."""
    found = metaparameters(bundles)
    return {
        **{key: value for key, value in present.items() if key not in _MADE},
        "type": "object",
        "additionalProperties": False,
        "required": [one.name for one in found],
        "properties": {one.name: {"description": one.description, **one.rule} for one in found},
    }


def completed(values: Mapping[str, Json], bundles: Iterable[str]) -> Document:
    """The values of metaparameters.json, with defaults of keys that are new, and without those that are gone.

    Raises
    ------
    KeyError
        A key is missing that follows from no registry.
    """
    found = metaparameters(bundles)
    return {one.name: values[one.name] if one.default is None else values.get(one.name, one.default) for one in found}


def _of_infer(bundles: Sequence[str]) -> tuple[Metaparameter, ...]:
    return (
        _word(
            "infer_bundle",
            "Which learned parameters to use: a folder of the learned-parameters directory (configured: what the "
            "command configure wrote there). Ignored where that directory is itself a bundle.",
            bundles,
        ),
        _number(
            "infer_max_seconds",
            "Time budget of one detection in seconds, counted from the start of the process; the last of them is kept "
            "for writing the answer.",
            (8, 3600),
            (15, 60),
        ),
        _word(
            "infer_preprocessing",
            "How images become network input: as recorded with the learned parameters, or by the named round.",
            (LEARNED, *PROFILES),
        ),
        _switch(
            "infer_save_logits", "Whether the logits of all variants are kept in the scratch directory (logits.npz)."
        ),
        _number(
            "infer_tampered_probability",
            "The answer for a model of a known architecture whose graph was changed, before clipping.",
            (0, 1),
            (0.5, 0.99),
        ),
        _count(
            "infer_threads",
            "Threads of the measurement; 0 means as many as the process may use, at most 8: each takes up to a quarter "
            "of a GB.",
            (0, 256),
            (0, 8),
        ),
    )


def _of_theta() -> tuple[Metaparameter, ...]:
    return (
        _word(
            "train_layers",
            "Which of the prunable layers are touched: all, or the early, middle or late third of them. Remove takes "
            "all only.",
            LayerRange,
        ),
        _count(
            "train_num_images", "|D|: clean images of each model that configure measures with.", (1, 1000), (10, 60)
        ),
        _count("train_num_pruned_models", "|S|: pruned models made of each model.", (2, 100), (5, 35)),
        _number(
            "train_p",
            "Share of each layer's filters that is selected for a pruned model; the smallest selects one filter "
            "a layer.",
            (0.001, 0.9),
            (0.01, 0.4),
        ),
        _word(
            "train_pruning_method",
            "PM: what happens to a selected filter. "
            + "; ".join(f"{method.name}: {method.summary}" for method in methods().values())
            + ".",
            methods(),
        ),
        _word("train_ranking_method", "RM: the key by which the filters of a layer are sorted.", RankingMethod),
        _word("train_sampling_method", "SM: which filters of the ranking each pruned model selects.", SamplingMethod),
        _count(
            "train_seed",
            "Seed of Random sampling, of the folds of the cross-validation and of the permutation test.",
            (0, 2**32 - 1),
            (0, 100),
        ),
        _word(
            "train_selection_rule",
            "Whose arithmetic turns theta into filters: the paper's text, or NIST's code to the letter.",
            SelectionRule,
        ),
    )


def _of_learning() -> tuple[Metaparameter, ...]:
    return (
        _word(
            "train_grid",
            "The points that configure tries when it is asked for automatic configuration, in place of the other "
            "train_ keys that say how to prune and what to fit: the paper's 31 or 20 configurations, or the wide grid.",
            Grid,
        ),
        _word(
            "train_mapping",
            "What configure fits per architecture. "
            + "; ".join(f"{one.name}: {one.description}" for one in fittings())
            + ".",
            fittings().names(),
        ),
        _count(
            "train_min_models",
            "Fewest models of an architecture for a regression of its own; below, the base rate answers.",
            (6, 1000),
            (8, 60),
        ),
        _word(
            "train_preprocessing",
            "How the images of the round that configure learns from become network input.",
            PROFILES,
        ),
        _word(
            "train_reduction",
            "What the regression sees of each signal: its reading of every pruned model, their mean, standard "
            "deviation, smallest and largest, or their mean alone.",
            Reduction,
        ),
    )


def _of_parameter(parameter: Parameter) -> Metaparameter:
    """A number of a pruning method's own. Bounds include their ends here, so the lower one lies a little further in."""
    least = parameter.low + (parameter.default - parameter.low) / 1000
    bounds = float(f"{least:.6g}"), parameter.high
    description = f"{parameter.description} Unused by the other pruning methods."
    return _number(f"train_{parameter.name}", description, bounds, parameter.usual, parameter.default)


def _of_signal(signal: Signal) -> Metaparameter:
    """A switch for each: the checker takes no lists of words."""
    told = signal.description or f"the signal {signal.name}"
    if isinstance(signal, VariantSignal):
        told = f", of each pruned model, {told}" + (", against the unpruned network" if signal.relative else "")
    else:
        told = f" {told}"
    return _switch(f"train_signal_{signal.name}", f"Whether the regression sees{told}.", default=False)


def _word(name: str, description: str, words: Iterable[str]) -> Metaparameter:
    return Metaparameter(name, description, {"type": "string", "enum": [str(word) for word in words]})


def _switch(name: str, description: str, default: bool | None = None) -> Metaparameter:
    return Metaparameter(name, description, {"type": "boolean"}, default)


def _number(
    name: str,
    description: str,
    bounds: tuple[float, float],
    usual: tuple[float, float] | None,
    default: float | None = None,
    kind: str = "number",
) -> Metaparameter:
    low, high = bounds
    suggested: dict[str, Json] = {"suggested_minimum": usual[0], "suggested_maximum": usual[1]} if usual else {}
    return Metaparameter(name, description, {"type": kind, "minimum": low, "maximum": high, **suggested}, default)


def _count(name: str, description: str, bounds: tuple[int, int], usual: tuple[int, int]) -> Metaparameter:
    return _number(name, description, bounds, usual, kind="integer")
