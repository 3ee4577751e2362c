"""Which architecture is this file, and does it deviate from it? By structure alone, never by size.

Names and shapes of the tensors must be those of a reference up to the number of classes and, where the whole module
was saved, the class and the behaviour of every module too: the paper's quality assurance, which compares the graph of
a model with the reference graphs. The record is untrusted data, compared value by value; the references are ours.
Files of torchvision 0.4 to today are the same to us: what the versions call differently is listed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from detector.architectures import ARCHITECTURES, Architecture
from detector.base.findings import Finding, Json, Severity
from detector.base.text import brief
from detector.graph.ir import CLASSES
from detector.graph.modules import Reference, ReferenceModule, class_kind
from detector.graph.tensors import tensor_shapes, with_classes
from detector.model_file.records import ContentKind, ModelRecord, ModuleRecord, PlainValue

_NOTHING = "nothing"
_COUNTER = "num_batches_tracked"  # absent in files of torch < 0.4.1, and unused in evaluation mode
_LISTED = 20  # deviations spelled out in a finding
_TROJAI_CLASSES = range(5, 46)  # of Rounds 1-4

# MobileNetV2 is the one architecture whose classes moved: names of torchvision 0.4, 0.9 and 0.12 -> today's.
_MOBILENET, _CONV_BLOCK = "torchvision.models.mobilenetv2", "torchvision.ops.misc.Conv2dNormActivation"
_RENAMED = {
    "torchvision.models.mobilenet.MobileNetV2": f"{_MOBILENET}.MobileNetV2",
    "torchvision.models.mobilenet.InvertedResidual": f"{_MOBILENET}.InvertedResidual",
    "torchvision.models.mobilenet.ConvBNReLU": _CONV_BLOCK,
    "torchvision.models.mobilenetv2.ConvBNReLU": _CONV_BLOCK,
    "torchvision.models.mobilenetv2.ConvBNActivation": _CONV_BLOCK,
    "torchvision.ops.misc.ConvNormActivation": _CONV_BLOCK,
    "torch.nn.SyncBatchNorm": "torch.nn.BatchNorm2d",  # the same at inference
}
# Modules without parameters that older versions lack, because their forward passes call functions instead.
_ADDED_LATER = {
    "torchvision.models.inception.Inception3": re.compile(r"maxpool1|maxpool2|avgpool|dropout"),  # 0.7
    "torchvision.models.shufflenetv2.ShuffleNetV2": re.compile(
        r"stage[234]\.[1-9]\d*\.branch1"
    ),  # 0.7, an empty Sequential
}
# Attributes that older versions lack; without them a module behaves as in the references.
_ATTRIBUTES_ADDED_LATER = ("padding_mode", "divisor_override")


@dataclass(frozen=True)
class Deviation:
    """One difference from a reference: at the module or tensor `path` ("" for the whole network)."""

    path: str
    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.path or 'network'}: {self.what} {self.expected} expected, {self.found} found"


@dataclass(frozen=True)
class Identification:
    """What the structure says.

    Attributes
    ----------
    architecture
        The reference that the record equals; None if it deviates from all.
    num_classes
        From the shape of the classifier, of the nearest reference if none is equal; None if it cannot be told.
    deviations
        From the nearest reference; empty if `architecture` is known or if there is no nearest one.
    nearest
        Name of the reference with the same root class and the fewest deviations; None if there is none.
    """

    architecture: Architecture | None
    num_classes: int | None
    deviations: tuple[Deviation, ...] = ()
    nearest: str | None = None


def identify(record: ModelRecord, references: Mapping[str, Reference]) -> Identification:
    """Compare a record with every reference that could be meant.

    Parameters
    ----------
    references
        By architecture name, as `load_references` gives them.
    """
    candidates = {name: reference for name, reference in references.items() if _could_be(record, reference)}
    if not candidates:
        return Identification(None, None)
    compared = {name: tuple(_deviations(record, reference)) for name, reference in candidates.items()}
    nearest = min(compared, key=lambda name: len(compared[name]))
    num_classes = _class_count(record, candidates[nearest])
    equal = not compared[nearest]
    return Identification(ARCHITECTURES[nearest] if equal else None, num_classes, compared[nearest], nearest)


def structure_findings(record: ModelRecord, identification: Identification) -> Iterator[Finding]:
    """What the identification means: tampered, unknown, or an architecture of TrojAI."""
    if identification.architecture is not None:
        yield from _identified(record, identification.architecture, identification.num_classes)
    elif identification.nearest is not None:
        yield _deviates(identification)
    else:
        root = _kind(record.modules[0]) if record.modules else "a state dict"
        message = f"{root} is none of the {len(ARCHITECTURES)} architectures of TrojAI Rounds 1-4"
        yield Finding(Severity.TAMPERED, "unknown_architecture", message, {"found": root})


def _identified(record: ModelRecord, architecture: Architecture, num_classes: int | None) -> Iterator[Finding]:
    evidence = {"architecture": architecture.name, "num_classes": num_classes}
    message = f"the structure is that of {architecture.name} with {num_classes} classes"
    yield Finding(Severity.INFO, "architecture", message, evidence)
    if record.kind is ContentKind.STATE_DICT:
        message = "a state dict names no modules: strides, paddings and activations could not be checked"
        yield Finding(Severity.WARNING, "modules_unchecked", message)
    if num_classes not in _TROJAI_CLASSES:
        message = (
            f"{num_classes} classes; models of TrojAI Rounds 1-4 have {_TROJAI_CLASSES[0]} to {_TROJAI_CLASSES[-1]}"
        )
        yield Finding(Severity.WARNING, "class_count", message, {"num_classes": num_classes})


def _deviates(identification: Identification) -> Finding:
    count = len(identification.deviations)
    listed = [str(deviation) for deviation in identification.deviations[:_LISTED]]
    more = f" (and {count - 1} more)" if count > 1 else ""
    message = f"the graph deviates from every reference; nearest is {identification.nearest}: {listed[0]}{more}"
    evidence: dict[str, Json] = {"nearest": identification.nearest, "num_deviations": count, "deviations": [*listed]}
    return Finding(Severity.TAMPERED, "graph_deviates", message, evidence)


def _could_be(record: ModelRecord, reference: Reference) -> bool:
    """Same root class or, for a state dict, at least half of the names in common."""
    if record.modules:
        return _kind(record.modules[0]) == reference.modules[0].kind
    names = tensor_shapes(reference.graph).keys()
    return 2 * len(names & record.tensors.keys()) >= max(len(names), len(record.tensors))


def _deviations(record: ModelRecord, reference: Reference) -> Iterator[Deviation]:
    num_classes = _class_count(record, reference)
    if num_classes is not None and num_classes < 2:
        yield Deviation("", "number of classes", "at least 2", str(num_classes))
    reported: set[str] = set()
    if record.kind is ContentKind.MODULE:
        for deviation in _module_deviations(record.modules, reference, num_classes):
            reported.add(deviation.path)
            yield deviation
    for deviation in _tensor_deviations(record, reference, num_classes):
        if deviation.path.rpartition(".")[0] not in reported:
            yield deviation


def _class_count(record: ModelRecord, reference: Reference) -> int | None:
    """The first axis of the classifier's weight (SqueezeNet's is a convolution)."""
    classifier = next(name for name, shape in tensor_shapes(reference.graph).items() if CLASSES in shape)
    tensor = record.tensors.get(classifier)
    return None if tensor is None or tensor.ndim == 0 else int(tensor.shape[0])


def _tensor_deviations(record: ModelRecord, reference: Reference, num_classes: int | None) -> Iterator[Deviation]:
    expected = tensor_shapes(reference.graph)
    for name, shape in expected.items():
        wanted = shape if num_classes is None else with_classes(shape, num_classes)
        if name in record.tensors:
            if record.tensors[name].shape != wanted:
                yield Deviation(name, "shape", str(wanted), str(record.tensors[name].shape))
        elif not name.endswith(_COUNTER):
            yield Deviation(name, "tensor", f"of shape {wanted!s}", _NOTHING)
    for name in [name for name in record.tensors if name not in expected]:
        yield Deviation(name, "tensor", _NOTHING, f"shape {record.tensors[name].shape!s}")


def _module_deviations(
    modules: Iterable[ModuleRecord], reference: Reference, num_classes: int | None
) -> Iterator[Deviation]:
    found = {module.path: module for module in modules}
    expected = {module.path: module for module in reference.modules}
    may_lack = _ADDED_LATER.get(reference.modules[0].kind)
    for path, module in expected.items():
        if path in found:
            yield from _differences(found[path], module, num_classes)
        elif may_lack is None or not may_lack.fullmatch(path):
            yield Deviation(path, "module", module.kind, _NOTHING)
    for path in [path for path in found if path not in expected]:
        yield Deviation(path, "module", _NOTHING, _kind(found[path]))
    in_file = [path for path in found if path in expected]
    in_order = [path for path in expected if path in found]
    moved = next((pair for pair in zip(in_order, in_file, strict=True) if pair[0] != pair[1]), None)
    if moved is not None:
        yield Deviation("", "next module", *moved)


def _differences(found: ModuleRecord, expected: ReferenceModule, num_classes: int | None) -> Iterator[Deviation]:
    if _kind(found) != expected.kind:
        yield Deviation(found.path, "module", expected.kind, _kind(found))
        return
    for name, value in expected.attributes.items():
        wanted = num_classes if value == CLASSES else value
        if name not in found.attributes:
            if name not in _ATTRIBUTES_ADDED_LATER:
                yield Deviation(found.path, name, brief(wanted), _NOTHING)
        elif not _same(found.attributes[name], wanted):
            yield Deviation(found.path, name, brief(wanted), brief(found.attributes[name]))


def _same(found: PlainValue, wanted: PlainValue) -> bool:
    """Equal, where one number may stand for a pair of equal ones (`kernel_size=3`)."""
    return found == wanted or (isinstance(wanted, tuple) and isinstance(found, int) and (found, found) == wanted)


def _kind(module: ModuleRecord) -> str:
    """The class as in the references, whatever version of torchvision wrote the file."""
    kind = class_kind(module.class_module, module.class_name)
    return _RENAMED.get(kind, kind)
