"""The command lines of NIST's harness over the years, as data, and a private machine laid out like NIST's to run them.

Paths are those of the harness. The options of R1-R4 and of the persistent instance are word for word; for the rounds
between, the flags and the way of binding are.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ACTIVE = "/home/trojai/active"
SCRATCH = "/mnt/scratch/container-scratch"
RESULT = f"{ACTIVE}/result.txt"
SIF = "/mnt/scratch/detector.sif"

_PARAMETERS = (
    "--metaparameters_filepath",
    "/metaparameters.json",
    "--schema_filepath",
    "/metaparameters_schema.json",
    "--learned_parameters_dirpath",
    "/learned_parameters",
)
_TRAIN = ("--round_training_dataset_dirpath", "/home/trojai/train")
_READ_ONLY = ("/home/trojai/train", "/home/trojai/source", "/home/trojai/tokenizers", "/home/trojai/embeddings")


def _four(scratch: str = SCRATCH, examples: str = "example_data") -> tuple[str, ...]:
    return (
        *("--model_filepath", f"{ACTIVE}/model.pt", "--result_filepath", RESULT),
        *("--scratch_dirpath", scratch, "--examples_dirpath", f"{ACTIVE}/{examples}"),
    )


@dataclass(frozen=True)
class Generation:
    """One form of the container API: what is bound (read-only where it ends in `:ro`) and what is passed."""

    binds: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def singularity(self) -> list[str]:
        """The harness's command line."""
        binds = [word for bind in self.binds for word in ("-B", bind)]
        return ["singularity", "run", "--contain", *binds, "--nv", SIF, *self.arguments]


_BOUND = (ACTIVE, SCRATCH, "/home/trojai/train:/home/trojai/train:ro")
_SOURCE = "/home/trojai/source:/home/trojai/source:ro"
_TOKENIZERS = "/home/trojai/tokenizers:/home/trojai/tokenizers:ro"
_EMBEDDINGS = "/home/trojai/embeddings:/home/trojai/embeddings:ro"
_ONE_GPU = {"SINGULARITYENV_CUDA_VISIBLE_DEVICES": "0"}

GENERATIONS = {
    "R1-R4": Generation(("/mnt/scratch", ACTIVE), _four("/mnt/scratch/scratch")),
    "R5-R6": Generation(
        (ACTIVE, SCRATCH, _TOKENIZERS, _EMBEDDINGS),
        (
            *_four(),
            *("--cls_token_is_first", "--tokenizer_filepath", "/home/trojai/tokenizers/tokenizer.pt"),
            *("--embedding_filepath", "/home/trojai/embeddings/embedding.pt"),
        ),
    ),
    "R7-R8": Generation(
        (ACTIVE, SCRATCH, _TOKENIZERS),
        (*_four(), "--tokenizer_filepath", "/home/trojai/tokenizers/tokenizer.pt"),
    ),
    "R9": Generation(
        (*_BOUND, _TOKENIZERS),
        (*_four(), "--tokenizer_filepath", "/home/trojai/tokenizers/tokenizer.pt", *_TRAIN, *_PARAMETERS),
        _ONE_GPU,
    ),
    "R10": Generation(
        (*_BOUND, _SOURCE),
        (*_four(), *_TRAIN, *_PARAMETERS, "--source_dataset_dirpath=/home/trojai/source"),
        _ONE_GPU,
    ),
    "multi-round": Generation(
        (*_BOUND, _SOURCE),
        (
            *_four(examples="clean-example-data"),
            *_TRAIN,
            *_PARAMETERS,
            "--source_dataset_dirpath=/home/trojai/source",
        ),
        _ONE_GPU,
    ),
    "template": Generation(_BOUND, ("infer", *_four(), *_TRAIN, *_PARAMETERS)),
}

# Passed by the newest harness to `run instance://NAME`, for one model after the other.
PERSISTENT = (
    *_four(examples="clean-example-data"),
    *_PARAMETERS,
    *_TRAIN,
    "--source_dataset_dirpath=/home/trojai/source",
)


class NistMachine:
    """A tree with NIST's folders. `prefix` makes a command see it below `/`, in a mount namespace of its own."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        for folder in (ACTIVE, SCRATCH, "/mnt/scratch/scratch", *_READ_ONLY, "/work-home", "/work-mnt"):
            self.path(folder).mkdir(parents=True)
        for folder in (ACTIVE, SCRATCH, "/mnt/scratch/scratch"):
            self.path(folder).chmod(0o777)

    def path(self, path: str) -> Path:
        """Where a path of NIST's machine really lies."""
        return self.tree / path.lstrip("/")

    def add_container(self, sif: Path) -> None:
        """As the harness copies it to its scratch drive."""
        os.link(sif, self.path(SIF))

    def activate(self, sample: Path) -> None:
        """Wipe `active`, as between models, and copy a model there under its neutral name."""
        active = self.path(ACTIVE)
        for entry in active.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        shutil.copy(sample / "model.pt", active)
        for name in ("example_data", "clean-example-data"):
            shutil.copytree(sample / "example_data", active / name)

    def empty_scratch(self) -> None:
        """As later harnesses do before each model."""
        scratch = self.path(SCRATCH)
        shutil.rmtree(scratch)
        scratch.mkdir()
        scratch.chmod(0o777)

    def result(self) -> str:
        """What the container wrote."""
        return self.path(RESULT).read_text(encoding="utf-8")

    def prefix(self) -> list[str]:
        """The words that put a command on this machine: for it alone, /home and /mnt get the tree's on top."""
        overlay = 'mount -t overlay overlay -o "lowerdir=/{0},upperdir=$0/{0},workdir=$0/work-{0}" /{0}'
        script = f'set -e; {overlay.format("home")}; {overlay.format("mnt")}; exec "$@"'
        return ["unshare", "--mount", "bash", "-c", script, str(self.tree)]
