"""The engines that `engines.py` compares: each answers for patched networks behind the product's own interface.

A candidate is made once for each worker, and prepares every variant anew inside `logits`, so that preparation is
counted. Libraries are imported by the candidates that use them: what an import costs is part of the comparison.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from detector.graph.ir import Graph, Op
from detector.measurement.measure import Engine, Images, Logits
from detector.measurement.plan import make_plan
from detector.model_file.records import ModelRecord
from detector.pruning.variant import RowPatch

Patches = Sequence[RowPatch]


@dataclass(frozen=True)
class Candidate:
    """How to make the engine, given how many threads one call may use, and how to import what it uses."""

    make: Callable[[Graph, ModelRecord, int], Engine]
    imports: Callable[[], None]


class Eager:
    """torchvision's network in PyTorch's eager mode, patched in place and restored."""

    def __init__(self, graph: Graph, record: ModelRecord, threads: int, *, channels_last: bool = False) -> None:
        import torch

        self._arrays = record.tensors
        self._threads = threads
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self._network = _torchvision(graph, record).to(memory_format=self._format)

    def logits(self, images: Images, patches: Patches = ()) -> Logits:
        """The answer of the patched network."""
        import torch

        with torch.inference_mode():
            self._write(patches)
            answer = self._answer(images)
            self._write([RowPatch(one.parameter, one.rows, self._arrays[one.parameter][one.rows]) for one in patches])
        return answer

    def _write(self, patches: Patches) -> None:
        import torch

        for patch in patches:
            values = 0.0 if patch.values is None else torch.from_numpy(patch.values)
            self._network.get_parameter(patch.parameter)[torch.from_numpy(patch.rows)] = values

    def _answer(self, images: Images) -> Logits:
        import torch

        torch.set_num_threads(self._threads)
        answer: Logits = self._network(torch.from_numpy(images).contiguous(memory_format=self._format)).numpy()
        return answer


class Folded(Eager):
    """The same in channels-last order, with batch normalisations folded into the convolutions before them."""

    def __init__(self, graph: Graph, record: ModelRecord, threads: int) -> None:
        import torch

        super().__init__(graph, record, threads, channels_last=True)
        self._plan = make_plan(graph)
        for step in self._plan:
            if step.norm:
                self._network.set_submodule(step.norm, torch.nn.Identity())

    def logits(self, images: Images, patches: Patches = ()) -> Logits:
        """The answer of the network with the variant's parameters, folded anew."""
        import torch

        from benchmarks.onnx_graph import Style, parameters, patched

        known = parameters(self._plan, self._arrays, patches, Style.CONSTANTS).constants
        values = patched(self._arrays, patches)
        with torch.inference_mode():
            for step in self._plan:
                module: Any = self._network.get_submodule(step.module)
                if step.op is Op.CONV:
                    weight = torch.from_numpy(known[f"{step.output}.w"]).contiguous(memory_format=self._format)
                    module.weight = torch.nn.Parameter(weight, requires_grad=False)
                    module.bias = torch.nn.Parameter(torch.from_numpy(known[f"{step.output}.b"]), requires_grad=False)
                elif step.op is Op.BATCH_NORM:
                    module.weight.copy_(torch.from_numpy(values[f"{step.module}.weight"]))
                    module.bias.copy_(torch.from_numpy(values[f"{step.module}.bias"]))
            return self._answer(images)


def _torchvision(graph: Graph, record: ModelRecord) -> Any:
    from detector.architectures import ARCHITECTURES
    from laboratory.rebuild import rebuild

    *_, last_bias = record.tensors.values()
    return rebuild(record, ARCHITECTURES[graph.architecture], len(last_bias))


class Ours:
    """The engine of the product, which always computes with one thread: others are forced upon it here."""

    def __init__(self, graph: Graph, record: ModelRecord, threads: int) -> None:
        from detector.measurement.engine import PackedEngine

        self._engine = PackedEngine(graph, record.tensors)
        self._threads = threads

    def logits(self, images: Images, patches: Patches = ()) -> Logits:
        """The answer of the packed engine."""
        import torch

        torch.set_num_threads(self._threads)
        with mock.patch("torch.set_num_threads"):
            return self._engine.logits(images, patches)


class OnnxRuntime:
    """A graph of ours in ONNX Runtime; sessions are made anew only where the style makes constants of a variant."""

    def __init__(self, graph: Graph, record: ModelRecord, threads: int, *, style: str) -> None:
        from benchmarks.onnx_graph import Style

        self._graph, self._plan = graph, make_plan(graph)
        self._arrays = record.tensors
        self._threads = threads
        self._style = Style[style]
        self._session: Any = None

    def logits(self, images: Images, patches: Patches = ()) -> Logits:
        """The answer of the session."""
        from benchmarks.onnx_graph import IMAGES, Style, parameters

        known = parameters(self._plan, self._arrays, patches, self._style)
        if self._session is None or self._style is Style.CONSTANTS:
            self._session = self._made(known.constants, known, images.shape)
        answer: Logits = self._session.run(None, {IMAGES: images, **known.inputs})[0]
        return answer

    def _made(self, constants: Mapping[str, NDArray[np.float32]], known: Any, shape: tuple[int, ...]) -> Any:
        import onnxruntime

        from benchmarks.onnx_graph import onnx_model

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
        options.log_severity_level = 3
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in constants.values()]
        options.add_external_initializers(list(constants), values)
        model = onnx_model(self._graph, known, shape)
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class OpenVino(OnnxRuntime):
    """The same graph in OpenVINO."""

    def logits(self, images: Images, patches: Patches = ()) -> Logits:
        """The answer of the compiled model."""
        from benchmarks.onnx_graph import IMAGES, Style, parameters

        known = parameters(self._plan, self._arrays, patches, self._style)
        if self._session is None or self._style is Style.CONSTANTS:
            self._session = self._made(known.constants, known, images.shape)
        answer: Logits = self._session.create_infer_request().infer({IMAGES: images, **known.inputs})[0]
        return answer.copy()

    def _made(self, constants: Mapping[str, NDArray[np.float32]], known: Any, shape: tuple[int, ...]) -> Any:
        import openvino

        from benchmarks.onnx_graph import onnx_model

        core = openvino.Core()
        model = core.read_model(onnx_model(self._graph, known, shape, embed=True))
        settings = {"INFERENCE_NUM_THREADS": self._threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        return core.compile_model(model, "CPU", settings)


def _torch() -> None:
    importlib.import_module("torch")


def _torchvision_too() -> None:
    from detector.torchvision_ops import torchvision_models

    torchvision_models()


def _onnx_runtime() -> None:
    importlib.import_module("onnxruntime")
    importlib.import_module("benchmarks.onnx_graph")


def _openvino() -> None:
    importlib.import_module("openvino")
    importlib.import_module("benchmarks.onnx_graph")


CANDIDATES: Mapping[str, Candidate] = MappingProxyType(
    {
        "eager": Candidate(Eager, _torchvision_too),
        "eager, channels last": Candidate(partial(Eager, channels_last=True), _torchvision_too),
        "eager, channels last, folded": Candidate(Folded, _torchvision_too),
        "ours": Candidate(Ours, _torch),
        "ONNX Runtime, a session per variant": Candidate(partial(OnnxRuntime, style="CONSTANTS"), _onnx_runtime),
        "ONNX Runtime, masks as inputs": Candidate(partial(OnnxRuntime, style="MASKS"), _onnx_runtime),
        "ONNX Runtime, weights as inputs": Candidate(partial(OnnxRuntime, style="WEIGHTS"), _onnx_runtime),
        "OpenVINO, a model per variant": Candidate(partial(OpenVino, style="CONSTANTS"), _openvino),
        "OpenVINO, masks as inputs": Candidate(partial(OpenVino, style="MASKS"), _openvino),
    }
)
