"""What is fuzzed: every reader of files that come from outside, with good files to begin with, made here.

A target takes bytes and says whether they were accepted; what is refused as it should be, is. Any other exception, and
anything that it does to the system, is a find.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from detector.base.errors import DetectorError
from detector.base.limits import ModelFileLimits
from detector.base.resources import METAPARAMETERS, METAPARAMETERS_SCHEMA, data_directory
from detector.base.strict_json import parse_json
from detector.commands.settings import load_settings
from detector.examples.images import decode
from detector.examples.listing import list_examples
from detector.mapping.bundles import load_bundle, load_parameters
from detector.model_file.reading import parse_model
from detector.rounds.preprocessing import PROFILES
from detector.rounds.tables import parse_truth, read_label_table, read_text

for _name in (
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "utf-32-le",
    "utf-32-be",
    "latin-1",
    "unicode_escape",
):
    codecs.lookup(_name)  # Python imports each when it is first used, which would be told

_LIMITS = ModelFileLimits(opcodes=20_000, values=20_000, pickle_bytes=1 << 16, file_bytes=1 << 20)
_PICKLE_TOKENS = (
    b"cos\nsystem\n",
    b"cbuiltins\neval\n",
    b"R",
    b"b",
    b"\x81",
    b"h\0",
    b"0",
    b"(",
    b"t",
    b"ctorch\nload\n",
)
_JSON_TOKENS = (b"NaN", b"1e999", b"{}", b"[", b'"', b"\\u0000", b"\xff", b"9" * 400, b"null", b"-0")
_TABLE_TOKENS = (b'"', b"\r", b"\0", b";", b"\xef\xbb\xbf", b"\xff\xfe", b"model_name", b"1.0", b"TRUE", b"\n")
_IMAGE_TOKENS = (b"IDAT", b"IHDR", b"iCCP", b"acTL", b"IEND\xae\x42\x60\x82", b"\xff\xd8", b"\xff\xc2", b"\xff\xda")


@dataclass(frozen=True)
class Target:
    """A reader and good files for it; `wrap` makes the file of what was mutated, checksums right."""

    name: str
    seeds: tuple[bytes, ...]
    accepts: Callable[[bytes], bool]
    tokens: tuple[bytes, ...] = ()
    wrap: Callable[[bytes], bytes] = bytes


def targets(folder: Path) -> tuple[Target, ...]:
    """All of them; those that read files by name write theirs into `folder`."""
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.BatchNorm2d(2)).eval()
    whole, state = _saved(network), _saved({"epoch": 3, "state_dict": network.state_dict()})
    legacy = _saved(network, legacy=True)
    return (
        Target("model file, zip", (whole, state), _is_model, _PICKLE_TOKENS),
        Target("model file, legacy", (legacy,), _is_model, _PICKLE_TOKENS),
        Target("model file, pickle in a whole zip", (_pickle_of(whole),), _is_model, _PICKLE_TOKENS, _Rewrap(whole)),
        Target("model file, safetensors", (_safetensors(),), _is_model, _JSON_TOKENS),
        _image(folder, "PNG", "class_0_example_0.png", "round1"),
        _image(folder, "JPEG", "1.jpg", "round11"),
        _json_text(),
        _learned(folder),
        _metaparameters(folder),
        _table(folder),
        _truth(folder),
    )


def _saved(value: object, legacy: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def _pickle_of(archive: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        return files.read(next(name for name in files.namelist() if name.endswith("/data.pkl")))


@dataclass(frozen=True)
class _Rewrap:
    """Puts a pickle into the archive in the place of its own."""

    archive: bytes

    def __call__(self, content: bytes) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(self.archive)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as new:
            for name in old.namelist():
                new.writestr(name, content if name.endswith("/data.pkl") else old.read(name))
        return file.getvalue()


def _safetensors() -> bytes:
    header = {"a.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
    header |= {"a.bias": {"dtype": "F32", "shape": [2], "data_offsets": [24, 32]}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + np.arange(8, dtype="<f4").tobytes()


def _is_model(content: bytes) -> bool:
    return _is_taken(lambda: parse_model(content, _LIMITS).sha256)


def _is_taken(read: Callable[[], object]) -> bool:
    try:
        read()
    except DetectorError as error:
        if not str(error).isprintable():
            raise AssertionError(f"an error with other characters: {error!r}") from error
        return False
    return True


def _image(folder: Path, kind: str, name: str, profile: str) -> Target:
    """An image of the size of the profile's round, named as there."""
    preprocessing = PROFILES[profile]
    small = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).resize((preprocessing.crop, preprocessing.crop)).save(file, kind)
    images = folder / kind
    images.mkdir(exist_ok=True)
    (images / name).with_suffix(".json").write_text("0")  # Round 11's way of telling the class

    def accepts(content: bytes) -> bool:
        (images / name).write_bytes(content)
        return _is_taken(lambda: decode(list_examples(images, 5), [0], preprocessing))

    return Target(f"image, {kind}", (file.getvalue(),), accepts, _IMAGE_TOKENS)


def _json_text() -> Target:
    def accepts(content: bytes) -> bool:
        try:
            parse_json(content.decode("utf-8"))
        except ValueError:
            return False
        return True

    return Target("JSON", ((data_directory() / METAPARAMETERS).read_bytes(),), accepts, _JSON_TOKENS)


def _learned(folder: Path) -> Target:
    shipped = data_directory() / "learned_params" / "nist-round2"
    bundle = folder / "bundle"
    bundle.mkdir(exist_ok=True)
    (bundle / "bundle.json").write_bytes((shipped / "bundle.json").read_bytes())
    place = bundle / "resnet18.json"

    def accepts(content: bytes) -> bool:
        place.write_bytes(content)
        return _is_taken(lambda: (load_bundle(bundle, "any"), load_parameters(bundle, "any", "resnet18")))

    return Target("learned parameters", ((shipped / "resnet18.json").read_bytes(),), accepts, _JSON_TOKENS)


def _metaparameters(folder: Path) -> Target:
    home, place = data_directory(), folder / "metaparameters.json"

    def accepts(content: bytes) -> bool:
        place.write_bytes(content)
        return _is_taken(lambda: load_settings(place, home / METAPARAMETERS_SCHEMA))

    return Target("metaparameters", ((home / METAPARAMETERS).read_bytes(),), accepts, _JSON_TOKENS)


def _table(folder: Path) -> Target:
    rows = "".join(f"id-{number:08d},{number % 2},resnet18\n" for number in range(20))
    text, place = f"model_name,poisoned,model_architecture\n{rows}", folder / "METADATA.csv"

    def accepts(content: bytes) -> bool:
        place.write_bytes(content)
        try:
            read_label_table(place, ("poisoned", "ground_truth"))
        except (ValueError, csv.Error):
            return False
        return True

    return Target("METADATA.csv", (text.encode(), text.encode("utf-16")), accepts, _TABLE_TOKENS)


def _truth(folder: Path) -> Target:
    place = folder / "ground_truth.csv"

    def accepts(content: bytes) -> bool:
        place.write_bytes(content)
        try:
            return parse_truth(read_text(place, 4096)) is not None
        except (ValueError, DetectorError):
            return False

    return Target("ground_truth.csv", (b"1\r\n", b"\xef\xbb\xbf0\n", "1".encode("utf-16")), accepts, _TABLE_TOKENS)
