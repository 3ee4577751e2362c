"""Pruning-based trojan detector for image classifiers, after Bajcsy and Majurski (arXiv 2101.12016).

    import detector

    verdict = detector.detect("model.pt", "example_data")
    print(verdict.probability, verdict.verdict)

The names in `__all__` are the Python interface (`detector.api` describes them); everything else may change with any
version. They are loaded when they are first asked for: whoever imports one room of the detector waits for no other.
"""

from importlib import import_module

__version__ = "0.1.0"

TYPE_CHECKING = False  # of typing, which every start of the program would wait for
if TYPE_CHECKING:
    from detector.api import Images, Inspection, Judgement, Outcome, Verdict, configure, detect, inspect
    from detector.base.errors import (
        DeadlineError,
        DetectorError,
        ExamplesError,
        ModelRefusedError,
        ParametersError,
        UsageError,
    )

_INTERFACE = {
    "detector.api": (
        *("Images", "Inspection", "Judgement", "Outcome", "Verdict"),
        *("configure", "detect", "inspect"),
    ),
    "detector.base.errors": (
        *("DeadlineError", "DetectorError", "ExamplesError"),
        *("ModelRefusedError", "ParametersError", "UsageError"),
    ),
}

__all__ = [
    "DeadlineError",
    "DetectorError",
    "ExamplesError",
    "Images",
    "Inspection",
    "Judgement",
    "ModelRefusedError",
    "Outcome",
    "ParametersError",
    "UsageError",
    "Verdict",
    "__version__",
    "configure",
    "detect",
    "inspect",
]


def __getattr__(name: str) -> object:
    for module, names in _INTERFACE.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
