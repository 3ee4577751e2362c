"""The registry of rounds, against what NIST's documentation says of each; a toy round is one file and its entry."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.rounds.example_names import CLASS_IN_NAME
from detector.rounds.layout import RoundLayout
from detector.rounds.preprocessing import PROFILES
from detector.rounds.profile import ChannelOrder, Preprocessing, Scaling
from detector.rounds.registry import EXAMPLE_RULES, FOLDERS, LABEL_COLUMNS, ROUNDS

HOME = Path(__file__).resolve().parents[2]


def test_the_rounds_are_what_nist_says() -> None:
    assert {name: layout.num_classes for name, layout in ROUNDS.items()} == {
        "round1": (5, 5),
        "round2": (5, 24),
        "round3": (5, 24),
        "round4": (15, 44),
        "round11": (16, 138),
        "small": (5, 24),
    }
    assert [layout.data_set for layout in ROUNDS.values()] == [
        *(f"image-classification-{month}" for month in ("jun2020", "aug2020", "dec2020", "feb2021", "sep2022")),
        None,
    ]
    assert FOLDERS == ("example_data", "clean_example_data", "clean-example-data", "example")
    assert LABEL_COLUMNS == ("poisoned", "ground_truth")
    assert len(EXAMPLE_RULES) == 2
    assert set(PROFILES) == {*ROUNDS, "rgb_minmax", "imagenet", "small56", "small64", "small80"}


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        ("round1-dataset-train", "round1"),
        ("Round_01", "round1"),
        ("round 1", "round1"),
        ("round11-train-dataset", "round11"),
        ("round-011", "round11"),
        ("image-classification-sep2022-test", "round11"),
        ("image-classification-jun2020", "round1"),
        ("round4-holdout", "round4"),
        ("round12", None),
        ("round111", None),
        ("data", None),
    ],
)
def test_rounds_are_known_by_the_names_of_folders(folder: str, found: str | None) -> None:
    named = [name for name, layout in ROUNDS.items() if name != "small" and layout.is_named_in(folder)]
    assert named == ([found] if found else [])


def test_vocabularies_that_stand_elsewhere_are_those_of_the_registry() -> None:
    schema = json.loads((HOME / "metaparameters_schema.json").read_text())["properties"]
    assert schema["infer_preprocessing"]["enum"] == ["learned", *PROFILES]
    assert schema["train_preprocessing"]["enum"] == [*PROFILES]
    report = json.loads((HOME / "detector/report/report.schema.json").read_text())["$defs"]["preprocessing"]
    assert report["properties"]["scaling"]["enum"] == [*Scaling]
    assert report["properties"]["channel_order"]["enum"] == [*ChannelOrder]
    assert list(report["properties"]) == [*Preprocessing.__dataclass_fields__]
    assert set(report["properties"]) - set(report["required"]) == {"resized"}  # older reports have none


def test_nothing_else_enumerates_rounds() -> None:
    """Outside the room no code holds the folders of examples or NIST's names of data sets."""
    words = re.compile(r"clean[-_]example[-_]data\"|image-classification-[a-z]{3}20")
    others = [
        path.relative_to(HOME).as_posix()
        for path in (HOME / "detector").rglob("*.py")
        if "rounds" not in path.parts and words.search(path.read_text())
    ]
    assert others == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "other"}, "a profile of the name"),
        ({"num_classes": (9, 5)}, "fewest and most"),
        ({"num_classes": (1, 5)}, ""),
    ],
)
def test_entries_that_contradict_themselves(changes: dict[str, Any], reason: str) -> None:
    fields: dict[str, Any] = {
        "name": "round2",
        "example_folders": ("x",),
        "examples": CLASS_IN_NAME,
        "profile": PROFILES["round2"],
        "num_classes": (5, 9),
    }
    RoundLayout(**fields)
    with pytest.raises(ValueError, match=reason or "fewest"):
        RoundLayout(**fields | changes)


TOY = '''
"""A toy round: BMP-like names of its own, labels in text files, images of 20 pixels cropped to 16."""
import re

from detector.rounds.layout import RoundLayout
from detector.rounds.example_names import ExampleRule
from detector.rounds.profile import ChannelOrder, Preprocessing, Scaling

LAYOUT = RoundLayout(
    name="toy",
    example_folders=("toys",),
    examples=ExampleRule("toy-<number>.png", re.compile(r"toy-(?P<number>[0-9]+)[.]png"), ".label"),
    profile=Preprocessing("toy", 16, ChannelOrder.BGR, Scaling.DIV255, 20, (0.5, 0.5, 0.5), (2.0, 2.0, 2.0)),
    num_classes=(2, 3),
    label_column="evil",
)
'''
USE = """
import json, sys
from pathlib import Path
import numpy as np
from PIL import Image
from detector.commands.cli import parse
from detector.commands.settings import load_settings
from detector.examples.images import decode, list_examples
from detector.examples.profile_choice import candidate_profiles
from detector.rounds.preprocessing import PROFILES
from detector.rounds.reading import read_round

root, home = Path(sys.argv[1]), Path(sys.argv[2])
folder = root / "id-00000000"
(folder / "toys").mkdir(parents=True)
(folder / "model.pt").touch()
(root / "METADATA.csv").write_text("model_name,evil\\nid-00000000,1\\n")
Image.fromarray(np.full((20, 20, 3), (255, 0, 51), np.uint8)).save(folder / "toys" / "toy-4.png")
(folder / "toys" / "toy-4.label").write_text("1")

(model,) = read_round(root).models
assert model.poisoned and model.examples_dirpath.name == "toys"
listing = list_examples(model.examples_dirpath, num_classes=2)
assert [(name.label, name.number) for name in listing.names] == [(1, 4)]
profile = candidate_profiles(listing)[0]
assert profile.name == "toy"
image = decode(listing, (0,), PROFILES["toy"]).images[0]
assert image.shape == (3, 16, 16)
assert np.allclose(image[:, 0, 0], [-0.15, -0.25, 0.25])

values = json.loads((home / "metaparameters.json").read_text()) | {"infer_preprocessing": "toy"}
schema = json.loads((home / "metaparameters_schema.json").read_text())
schema["properties"]["infer_preprocessing"]["enum"] = [*PROFILES]
(root / "values.json").write_text(json.dumps(values))
(root / "schema.json").write_text(json.dumps(schema))
assert load_settings(root / "values.json", root / "schema.json").preprocessing == "toy"
assert parse(["infer", "--model_filepath", str(folder / "model.pt"), "--result_filepath", str(root / "r"),
              "--scratch_dirpath", str(root / "s")], home).examples_dirpath == folder / "toys"
print("used")
"""


def test_a_toy_round_is_one_file_and_its_entry(tmp_path: Path) -> None:
    package = tmp_path / "package" / "detector"
    shutil.copytree(HOME / "detector", package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "rounds" / "toy.py").write_text(TOY)
    registry = package / "rounds" / "registry.py"
    text = registry.read_text()
    assert text.count("round11, small") == 2  # the import and the entry
    registry.write_text(text.replace("round11, small", "round11, small, toy"))
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path / "round"), str(HOME)],
        env={**os.environ, "PYTHONPATH": str(package.parent), "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.stdout == "used\n", done.stderr


def test_every_profile_makes_an_input_of_its_size() -> None:
    for profile in PROFILES.values():
        for side in (profile.crop, profile.uncropped):
            image = profile(np.zeros((side, side, 3), np.uint8))
            assert image.shape == (3, profile.crop, profile.crop)
            assert image.dtype == np.float32
