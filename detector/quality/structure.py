"""Which architecture is this file, does it deviate from it, or is it another one? By structure alone, never by size.

Names and shapes of the tensors must be those of a reference up to the number of classes and, where the whole module
was saved, the class and the behaviour of every module too: the paper's quality assurance, which compares the graph of
a model with the reference graphs. A network that equals no reference is tampered with where it is near one, and of an
architecture that is not known where it is far from all or has a head of its own: `distance.py` measures how far. The
record is untrusted data, compared value by value; the references are ours.
Files of torchvision 0.4 to today are the same to us: what the versions call differently is listed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

from detector.architectures import ARCHITECTURES, Architecture
from detector.base.findings import Finding, Json, Severity
from detector.base.text import brief, printable
from detector.graph.ir import CLASSES
from detector.graph.modules import Reference, ReferenceModule, class_kind
from detector.graph.tensors import tensor_shapes, with_classes
from detector.model_file.records import ContentKind, ModelRecord, ModuleRecord, PlainValue
from detector.quality.distance import NEAR, layer_distance

_NOTHING = "nothing"
_COUNTER = "num_batches_tracked"  # absent in files of torch < 0.4.1, and unused in evaluation mode
_LISTED = 20  # deviations spelled out in a finding
_DRAWN = 200  # deviations kept in parts, for a drawing
_LONGEST = 120  # characters of a part: paths and values come from the file
_CLASS_COUNT, _FEWEST_CLASSES = "number of classes", 2
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
        From the nearest reference, where it is of the same class (of a state dict: has half of the names); else empty.
    nearest
        Name of the reference whose layers differ least; None if not one layer is that of a reference.
    distance
        Share of layers that differ from the nearest reference, in [0, 1].
    comparable
        Whether the nearest reference is of the same class, so that there are deviations to speak of.
    another_head
        Whether all that deviates is the head, and no classifier is where the reference has it.
    """

    architecture: Architecture | None
    num_classes: int | None
    deviations: tuple[Deviation, ...] = ()
    nearest: str | None = None
    distance: float = 0.0
    comparable: bool = True
    another_head: bool = False

    @property
    def tampered(self) -> bool:
        """Whether it is a known architecture that was changed; otherwise it is equal to one, or none that is known."""
        changed = self.architecture is None and self.nearest is not None and self.comparable
        return changed and self.distance <= NEAR and not self.another_head


def identify(record: ModelRecord, references: Mapping[str, Reference]) -> Identification:
    """Compare a record with every reference that could be meant.

    Parameters
    ----------
    references
        By architecture name, as `load_references` gives them.
    """
    candidates = {name: reference for name, reference in references.items() if _could_be(record, reference)}
    compared = {name: tuple(_deviations(record, reference)) for name, reference in candidates.items()}
    equal = next((name for name, deviations in compared.items() if not deviations), None)
    if equal is not None:
        return Identification(ARCHITECTURES[equal], _class_count(record, references[equal]), (), equal)
    distances = {name: _distance(record, references[name]) for name in candidates or references}
    nearest = min(distances, key=lambda name: (distances[name], len(compared.get(name, ()))))
    if not candidates:
        near = nearest if distances[nearest] < 1 else None
        return Identification(None, None, (), near, distances[nearest], comparable=False)
    deviations, reference = compared[nearest], references[nearest]
    head = _another_head(record, reference, deviations)
    num_classes = _class_count(record, reference)
    return Identification(None, num_classes, deviations, nearest, distances[nearest], another_head=head)


def _distance(record: ModelRecord, reference: Reference) -> float:
    shapes = {name: tensor.shape for name, tensor in record.tensors.items()}
    return layer_distance(shapes, reference.graph, _class_count(record, reference))


def _another_head(record: ModelRecord, reference: Reference, deviations: Iterable[Deviation]) -> bool:
    """Whether the network is the reference up to its head, and the head does something else than to tell classes.

    The head is the last of the parts that the network consists of (`fc`, `classifier`). Where the reference's
    classifier is in its place, any other change of the head is a change of this architecture.
    """
    name = _classifier(reference)
    shape, tensor = tensor_shapes(reference.graph)[name], record.tensors.get(name)
    if tensor is not None and tensor.shape[1:] == shape[1:] and len(tensor) >= _FEWEST_CLASSES:
        return False
    head = name.partition(".")[0]
    return all(deviation.path.partition(".")[0] == head or deviation.what == _CLASS_COUNT for deviation in deviations)


def structure_findings(record: ModelRecord, identification: Identification) -> Iterator[Finding]:
    """What the identification means: one of the known architectures, one that was tampered with, or an unknown one."""
    if identification.architecture is not None:
        yield from _identified(record, identification.architecture, identification.num_classes)
    elif identification.tampered:
        yield _deviates(identification)
    else:
        yield _unknown(record, identification)


def _unknown(record: ModelRecord, identification: Identification) -> Finding:
    root = _kind(record.modules[0]) if record.modules else "the state dict"
    evidence: dict[str, Json] = {"found": root, "nearest": identification.nearest, "distance": identification.distance}
    message = f"{root} is of an architecture that is not known: {_how_far(identification)}"
    if identification.deviations:
        evidence |= {"num_deviations": len(identification.deviations), "deviations": _listed(identification)}
        evidence |= {"differences": _parts(identification)}
        message += f"; {_first_of(identification)}"
    return Finding(Severity.WARNING, "unknown_architecture", message, evidence)


def _how_far(identification: Identification) -> str:
    if identification.nearest is None:
        return f"not one of its layers is a layer of any of the {len(ARCHITECTURES)} references"
    nearest = f"nearest is {identification.nearest}, from which {identification.distance:.0%} of the layers differ"
    return f"{nearest}, all of them in the head" if identification.another_head else nearest


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
    message = f"the graph is that of {identification.nearest}, but changed: {_first_of(identification)}"
    evidence: dict[str, Json] = {
        "nearest": identification.nearest,
        "distance": identification.distance,
        "num_deviations": len(identification.deviations),
        "deviations": _listed(identification),
        "differences": _parts(identification),
    }
    return Finding(Severity.TAMPERED, "graph_deviates", message, evidence)


def _listed(identification: Identification) -> list[Json]:
    return [str(deviation) for deviation in identification.deviations[:_LISTED]]


def _parts(identification: Identification) -> list[Json]:
    """The deviations in parts, each cut to a length that can be shown."""
    return [
        {name: printable(value, _LONGEST) for name, value in asdict(one).items()}
        for one in identification.deviations[:_DRAWN]
    ]


def _first_of(identification: Identification) -> str:
    count = len(identification.deviations)
    return f"{identification.deviations[0]}" + (f" (and {count - 1} more)" if count > 1 else "")


def _could_be(record: ModelRecord, reference: Reference) -> bool:
    """Same root class or, for a state dict, at least half of the names in common."""
    if record.modules:
        return _kind(record.modules[0]) == reference.modules[0].kind
    names = tensor_shapes(reference.graph).keys()
    return 2 * len(names & record.tensors.keys()) >= max(len(names), len(record.tensors))


def _deviations(record: ModelRecord, reference: Reference) -> Iterator[Deviation]:
    num_classes = _class_count(record, reference)
    if num_classes is not None and num_classes < _FEWEST_CLASSES:
        yield Deviation("", _CLASS_COUNT, f"at least {_FEWEST_CLASSES}", str(num_classes))
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
    tensor = record.tensors.get(_classifier(reference))
    return None if tensor is None or tensor.ndim == 0 else int(tensor.shape[0])


def _classifier(reference: Reference) -> str:
    return next(name for name, shape in tensor_shapes(reference.graph).items() if CLASSES in shape)


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
