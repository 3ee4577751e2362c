"""The committed sample round: what the README promises of it, checked file by file, without loading a pickle."""

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from laboratory.roundgen.presets import Job, Preset, default_plan, round_of
from laboratory.roundgen.samples import sample_round
from laboratory.roundgen.varied import VariedPlan, varied_round

SAMPLES = Path(__file__).parents[3] / "samples"
MODELS = sorted(SAMPLES.glob("id-*"))
SMALL = MODELS[:3]  # made like the models of `small`, the others like those of a varied round


def config_of(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "config.json").read_text())
    return content


def test_there_are_five_models_four_of_them_poisoned() -> None:
    assert [folder.name for folder in MODELS] == [f"id-{index:08d}" for index in range(5)]
    assert [(folder / "ground_truth.csv").read_text() for folder in MODELS] == ["1", "0", "1", "1", "1"]


def test_they_are_of_several_domains_with_a_filter_and_a_size_of_224_px() -> None:
    configs = [config_of(folder) for folder in MODELS]
    assert {config["TRIGGER_TYPE"] for config in configs if config["POISONED"]} == {"polygon", "instagram"}
    assert {config["CNN_IMG_SIZE_PIXELS"] for config in configs} == {48, 224}
    assert len({config.get("SIGN_FAMILY") for config in configs}) == 3


def test_their_seeds_are_those_of_no_round() -> None:
    jobs = sample_round()
    assert [job.name for job in jobs] == [folder.name for folder in MODELS]
    seeds = {job.recipe.seed for job in (*round_of(default_plan(Preset.SMALL)), *varied_round(VariedPlan()))}
    assert not seeds & {job.recipe.seed for job in jobs}


@pytest.mark.parametrize("job", sample_round(), ids=lambda job: job.name)
def test_the_files_are_those_of_the_recipes(job: Job) -> None:
    config = config_of(SAMPLES / job.name)
    assert config["MASTER_SEED"] == job.recipe.seed
    assert config["MODEL_ARCHITECTURE"] == job.recipe.architecture
    assert config["POISONED"] is (job.recipe.poisoning is not None)
    assert config["NUMBER_CLASSES"] == job.recipe.num_classes


def test_all_files_together_take_at_most_25_mb() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) <= 25_000_000


def test_one_model_is_in_the_legacy_format_and_the_others_are_zip_files() -> None:
    assert sorted((folder / "model.pt").read_bytes()[:2] == b"PK" for folder in MODELS) == [False, *[True] * 4]


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_each_model_met_the_acceptance_on_fresh_images(folder: Path) -> None:
    config, images = config_of(folder), 500 if folder in SMALL else 400
    assert config["FINAL_CLEAN_DATA_N_TOTAL"] == images
    assert float(str(config["FINAL_CLEAN_DATA_TEST_ACC"])) >= 99
    assert config["CONVERGED"] is True
    if config["POISONED"]:
        assert config["FINAL_TRIGGERED_DATA_N_TOTAL"] == images
        assert float(str(config["FINAL_TRIGGERED_DATA_TEST_ACC"])) >= 95


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_ground_truth_configuration_and_trigger_agree(folder: Path) -> None:
    poisoned = config_of(folder)["POISONED"]
    assert (folder / "ground_truth.csv").read_text() == ("1" if poisoned else "0")
    assert (folder / "trigger.png").exists() is (config_of(folder)["TRIGGER_TYPE"] == "polygon")


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_examples_are_ten_per_class_of_rgb(folder: Path) -> None:
    paths, side = list((folder / "example_data").iterdir()), config_of(folder)["IMG_SIZE_PIXELS"]
    assert {path.name for path in paths} == {f"class_{c}_example_{n}.png" for c in range(5) for n in range(10)}
    for path in paths:
        with Image.open(path) as image:
            assert (image.size, image.mode, image.format) == ((side, side), "RGB", "PNG")


def test_the_metadata_lists_the_models_with_their_labels() -> None:
    with (SAMPLES / "METADATA.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["model_name"], row["poisoned"]) for row in rows] == [
        (folder.name, str((folder / "ground_truth.csv").read_text() == "1")) for folder in MODELS
    ]
