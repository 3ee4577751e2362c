"""Are the numbers in the file those of a trained network? Looks at every value once or twice; numpy only.

The tensors are untrusted but checked views (shape, storage). Nothing is changed or kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.base.errors import CorruptModelError
from detector.base.findings import Finding, Severity

_HUGE = 1e10  # squares of it still fit float32; trained weights and variances stay many orders below
_DENORMAL_SHARE = 0.01  # dead channels leave a few denormals in honest networks
_BLOCK = 1 << 20  # values looked at together: bounds the memory of the temporaries
_LISTED = 20

_Range = tuple[float, float]


def weight_findings(tensors: Mapping[str, NDArray[Any]]) -> Iterator[Finding]:
    """Findings about non-finite, impossible or degenerate values and about number types; none if all is well.

    Parameters
    ----------
    tensors
        State-dict name -> array of any shape and numeric type.
    """
    floats = {name: tensor for name, tensor in tensors.items() if tensor.dtype.kind == "f" and tensor.size}
    ranges = {name: (float(tensor.min()), float(tensor.max())) for name, tensor in floats.items()}
    finite = {name: bounds for name, bounds in ranges.items() if np.isfinite(bounds).all()}
    yield from _non_finite(floats, sorted(ranges.keys() - finite.keys()))
    yield from _negative_variances(finite)
    yield from _degenerate(floats, finite)
    yield from _huge(finite)
    yield from _denormal(floats)
    yield from _types(tensors)


def check_number_types(tensors: Mapping[str, NDArray[Any]], architecture: str) -> None:
    """Raise `CorruptModelError` if a parameter or statistic is not float32; batch counters may be anything, unused."""
    wrong = {name: tensor.dtype for name, tensor in tensors.items() if tensor.dtype != np.float32}
    wrong = {name: dtype for name, dtype in wrong.items() if not name.endswith("num_batches_tracked")}
    if wrong:
        found = ", ".join(f"{name} of {dtype}" for name, dtype in list(wrong.items())[:3])
        raise CorruptModelError(
            f"{len(wrong)} tensors of another type of number: {found}",
            where="tensors",
            expected=f"the float32 parameters of {architecture}",
            next_step="save it in single precision: torch.save(model.float().state_dict(), 'model.pt')",
        )


def _non_finite(floats: Mapping[str, NDArray[Any]], names: list[str]) -> Iterator[Finding]:
    if names:
        counts = {name: int((~np.isfinite(floats[name])).sum()) for name in names}
        message = f"{sum(counts.values())} values in {len(counts)} tensors are infinite or not a number"
        yield _finding(Severity.ERROR, "non_finite_weights", message, counts)


def _negative_variances(ranges: Mapping[str, _Range]) -> Iterator[Finding]:
    lowest = {name: low for name, (low, _) in ranges.items() if name.endswith("running_var") and low < 0}
    if lowest:
        message = f"{len(lowest)} batch normalisations have a negative running variance"
        yield _finding(Severity.ERROR, "negative_running_var", message, lowest)


def _degenerate(floats: Mapping[str, NDArray[Any]], ranges: Mapping[str, _Range]) -> Iterator[Finding]:
    """Layers that pass nothing on: all weights 0, all weights the same, all scales or variances 0."""
    reasons = {}
    for name, (low, high) in ranges.items():
        tensor = floats[name]
        if low == high == 0 and name.endswith(("weight", "running_var")):
            reasons[name] = "all values are 0"
        elif low == high and tensor.ndim > 1 and tensor.size > 1:
            reasons[name] = f"all values are {low:g}"
    if reasons:
        message = f"{len(reasons)} tensors are degenerate: no training leaves all values of a layer equal"
        yield _finding(Severity.WARNING, "degenerate_weights", message, reasons)


def _huge(ranges: Mapping[str, _Range]) -> Iterator[Finding]:
    largest = {name: max(abs(low), abs(high)) for name, (low, high) in ranges.items()}
    huge = {name: size for name, size in largest.items() if size > _HUGE}
    if huge:
        yield _finding(Severity.WARNING, "huge_weights", f"{len(huge)} tensors hold values above {_HUGE:g}", huge)


def _denormal(floats: Mapping[str, NDArray[Any]]) -> Iterator[Finding]:
    total = sum(tensor.size for tensor in floats.values())
    counts = {name: count for name, tensor in floats.items() if (count := _count_denormals(tensor))}
    if sum(counts.values()) > _DENORMAL_SHARE * total:
        message = f"{sum(counts.values())} of {total} values are denormal: they slow computation and carry nothing"
        yield _finding(Severity.WARNING, "denormal_weights", message, counts)


def _count_denormals(tensor: NDArray[Any]) -> int:
    values, smallest = tensor.reshape(-1), np.finfo(tensor.dtype).tiny
    blocks = (values[start : start + _BLOCK] for start in range(0, len(values), _BLOCK))
    return sum(int(np.count_nonzero(np.abs(block) < smallest) - np.count_nonzero(block == 0)) for block in blocks)


def _types(tensors: Mapping[str, NDArray[Any]]) -> Iterator[Finding]:
    """TrojAI saves float32, and int64 for the counters of batch normalisation."""
    types = {
        name: str(tensor.dtype)
        for name, tensor in tensors.items()
        if tensor.dtype != (np.int64 if name.endswith("num_batches_tracked") else np.float32)
    }
    if types:
        message = f"{len(types)} tensors have another number type than TrojAI's"
        yield _finding(Severity.WARNING, "number_type", message, types)


def _finding(severity: Severity, code: str, message: str, by_tensor: Mapping[str, float | str]) -> Finding:
    listed = dict(sorted(by_tensor.items())[:_LISTED])
    first = ", ".join(list(listed)[:3])
    return Finding(
        severity, code, f"{message} ({first}{', ...' if len(by_tensor) > 3 else ''})", {"tensors": {**listed}}
    )
