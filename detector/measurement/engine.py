"""Runs variants of one network on images: PyTorch eager, weights in place.

One network serves all variants: the rows that a variant names are overwritten, the images pass, the rows are put
back. The network is ours (rebuilt, in evaluation mode); its weights may be anything, so logits may be non-finite.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from detector.pruning.variant import RowPatch


class EagerEngine:
    """A network in evaluation mode, ready to answer for any set of patches.

    Parameters
    ----------
    network
        Kept, and changed only for the duration of a call.
    threads
        Of PyTorch within an operation.
    """

    def __init__(self, network: torch.nn.Module, *, threads: int) -> None:
        torch.set_num_threads(threads)
        self._network = network.eval()
        self._parameters = dict(network.named_parameters())

    def logits(self, images: NDArray[np.float32], patches: Sequence[RowPatch] = ()) -> NDArray[np.float32]:
        """Logits (N, classes) for images (N, 3, height, width) with the patches applied."""
        with torch.inference_mode(), self._patched(patches):
            answer: NDArray[np.float32] = self._network(torch.from_numpy(images)).numpy()
        return answer

    @contextmanager
    def _patched(self, patches: Sequence[RowPatch]) -> Iterator[None]:
        saved: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        try:
            for patch in patches:
                parameter, rows = self._parameters[patch.parameter].data, torch.from_numpy(patch.rows)
                saved.append((parameter, rows, parameter[rows]))
                parameter[rows] = 0.0 if patch.values is None else torch.from_numpy(patch.values)
            yield
        finally:
            for parameter, rows, values in reversed(saved):
                parameter[rows] = values
