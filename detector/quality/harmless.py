"""Differences from a reference that change nothing at inference: told, not taken for tampering.

Auxiliary heads answer in training only, dropout is the identity in evaluation mode. Everything else that differs
stays a deviation. Synchronised batch normalisation, which equals the plain one, is known to `structure` by its name.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from detector.architectures import ARCHITECTURES
from detector.base.findings import Finding, Severity
from detector.model_file.records import ModelRecord
from detector.quality.structure import Deviation, Identification

_HEADS: Mapping[str, re.Pattern[str]] = {
    "googlenet": re.compile(r"(aux[12])(\..+)?"),
    "inceptionv3": re.compile(r"(AuxLogits)(\..+)?"),
}
_HEAD_CLASS = re.compile(r"torchvision\.models\.(googlenet|inception)\.InceptionAux")
_SYNCHRONISED = "SyncBatchNorm"


@dataclass(frozen=True)
class Judged:
    """An identification without its harmless deviations, what they were, and the names of the idle tensors."""

    identification: Identification
    harmless: tuple[Deviation, ...] = ()
    idle: frozenset[str] = frozenset()


def without_harmless(record: ModelRecord, identification: Identification) -> Judged:
    """The identification as it counts: equal to its nearest reference if all deviations are harmless."""
    nearest = identification.nearest
    if nearest is None or not identification.deviations:
        return Judged(identification)
    heads = _heads(record, nearest)
    harmless = tuple(one for one in identification.deviations if _is_harmless(one, heads, record))
    left = tuple(one for one in identification.deviations if one not in harmless)
    idle = frozenset(name for name in record.tensors if name.split(".")[0] in heads)
    architecture = None if left else ARCHITECTURES[nearest]
    return Judged(dataclasses.replace(identification, architecture=architecture, deviations=left), harmless, idle)


def _heads(record: ModelRecord, nearest: str) -> frozenset[str]:
    """Names of the auxiliary heads; in a whole module they are of torchvision's class for them."""
    pattern = _HEADS.get(nearest)
    if pattern is None:
        return frozenset()
    if not record.modules:
        matches = (pattern.fullmatch(name) for name in record.tensors)
        return frozenset(match[1] for match in matches if match)
    classes = {module.path: f"{module.class_module}.{module.class_name}" for module in record.modules}
    return frozenset(path for path in classes if pattern.fullmatch(path) and _HEAD_CLASS.fullmatch(classes[path]))


def _is_harmless(deviation: Deviation, heads: frozenset[str], record: ModelRecord) -> bool:
    if deviation.path.split(".")[0] in heads:
        return deviation.expected == "nothing"
    if deviation.what == "aux_logits":
        return deviation.path == "" and deviation.found in ("True", "False")
    if deviation.what == "drop_rate":
        return True
    return deviation.what == "p" and any(
        module.path == deviation.path and module.class_name == "Dropout" for module in record.modules
    )


def harmless_findings(record: ModelRecord, judged: Judged) -> Iterator[Finding]:
    """What differs without effect, and what lay around the network in the file, as notes."""
    if judged.harmless:
        first = "; ".join(str(deviation) for deviation in judged.harmless[:3])
        more = f" (and {len(judged.harmless) - 3} more)" if len(judged.harmless) > 3 else ""
        message = f"differs from the reference without effect at inference: {first}{more}"
        yield Finding(Severity.INFO, "no_effect", message, {"num_deviations": len(judged.harmless)})
    synchronised = [module.path for module in record.modules if module.class_name == _SYNCHRONISED]
    if synchronised:
        message = f"{len(synchronised)} {_SYNCHRONISED} modules were read as BatchNorm2d, which they equal at inference"
        yield Finding(Severity.INFO, "synchronised", message, {"num_modules": len(synchronised)})
    if record.set_aside:
        message = f"set aside: {'; '.join(record.set_aside[:10])}"
        yield Finding(Severity.INFO, "set_aside", message, {"set_aside": list(record.set_aside[:20])})
