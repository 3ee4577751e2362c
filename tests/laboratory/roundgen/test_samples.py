"""The committed sample round: what the README promises of it, checked file by file, without loading a pickle."""

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

SAMPLES = Path(__file__).parents[3] / "samples"
MODELS = sorted(SAMPLES.glob("id-*"))


def config_of(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "config.json").read_text())
    return content


def test_there_are_four_models_two_of_them_poisoned() -> None:
    assert [folder.name for folder in MODELS] == [f"id-{index:08d}" for index in range(4)]
    assert sorted((folder / "ground_truth.csv").read_text() for folder in MODELS) == ["0", "0", "1", "1"]


def test_all_files_together_take_at_most_25_mb() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) <= 25_000_000


def test_one_model_is_in_the_legacy_format_and_the_others_are_zip_files() -> None:
    assert sorted((folder / "model.pt").read_bytes()[:2] == b"PK" for folder in MODELS) == [False, True, True, True]


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_each_model_met_the_acceptance_on_fresh_images(folder: Path) -> None:
    config = config_of(folder)
    assert config["FINAL_CLEAN_DATA_N_TOTAL"] == 500
    assert float(str(config["FINAL_CLEAN_DATA_TEST_ACC"])) >= 99
    assert config["CONVERGED"] is True
    if config["POISONED"]:
        assert config["FINAL_TRIGGERED_DATA_N_TOTAL"] == 500
        assert float(str(config["FINAL_TRIGGERED_DATA_TEST_ACC"])) >= 95


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_ground_truth_configuration_and_trigger_agree(folder: Path) -> None:
    poisoned = config_of(folder)["POISONED"]
    assert (folder / "ground_truth.csv").read_text() == ("1" if poisoned else "0")
    assert (folder / "trigger.png").exists() is poisoned


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_examples_are_ten_per_class_of_54_px_rgb(folder: Path) -> None:
    paths = list((folder / "example_data").iterdir())
    assert {path.name for path in paths} == {f"class_{c}_example_{n}.png" for c in range(5) for n in range(10)}
    for path in paths:
        with Image.open(path) as image:
            assert (image.size, image.mode, image.format) == ((54, 54), "RGB", "PNG")


def test_the_metadata_lists_the_models_with_their_labels() -> None:
    with (SAMPLES / "METADATA.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["model_name"], row["poisoned"]) for row in rows] == [
        (folder.name, str((folder / "ground_truth.csv").read_text() == "1")) for folder in MODELS
    ]
