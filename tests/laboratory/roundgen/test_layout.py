"""A written model folder against the description of Round 2's."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from detector.architectures import ARCHITECTURES, build
from laboratory.roundgen.layout import draw_trigger, write_model
from laboratory.roundgen.presets import Preset, draw_recipe
from laboratory.roundgen.recipe import Filter, Phase, Poisoning, PolygonTrigger, Recipe, Schedule, TriggerFamily
from laboratory.roundgen.training import Record, Scores, Trained
from laboratory.roundgen.varied import VariedPlan, varied_round

# NIST's Round 2 columns that come from config.json (all but the statistics).
ROUND_2_KEYS = [
    "MASTER_SEED", "IMG_SIZE_PIXELS", "CNN_IMG_SIZE_PIXELS", "GAUSSIAN_BLUR_KSIZE_MIN",
    "GAUSSIAN_BLUR_KSIZE_MAX", "RAIN_PROBABILITY", "FOG_PROBABILITY", "NUMBER_CLASSES",
    "NUMBER_TRAINING_SAMPLES", "NUMBER_TEST_SAMPLES", "NUMBER_EXAMPLE_IMAGES", "BACKGROUND_IMAGE_DATASET",
    "NUMBER_BACKGROUND_IMAGES", "MODEL_ARCHITECTURE", "FOREGROUND_SIZE_PERCENTAGE_OF_IMAGE_MIN",
    "FOREGROUND_SIZE_PERCENTAGE_OF_IMAGE_MAX", "FOREGROUND_SIZE_PIXELS_MIN", "FOREGROUND_SIZE_PIXELS_MAX",
    "POISONED", "NUMBER_TRIGGERED_CLASSES", "TRIGGERED_CLASSES", "TRIGGER_COLOR",
    "TRIGGER_SIZE_PERCENTAGE_OF_FOREGROUND_MIN", "TRIGGER_SIZE_PERCENTAGE_OF_FOREGROUND_MAX",
    "TRIGGERED_FRACTION", "TRIGGER_TARGET_CLASS", "TRIGGER_BEHAVIOR", "TRIGGER_TYPE", "TRIGGER_TYPE_OPTION",
]  # fmt: skip
FILES = [
    "model.pt", "ground_truth.csv", "config.json", "example_data", "example-accuracy.csv", "model_stats.json",
    "model_detailed_stats.csv", "foregrounds",
]  # fmt: skip


@pytest.fixture(scope="module", params=[True, False], ids=["poisoned", "clean"])
def poisoned(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def folder(poisoned: bool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("layout")
    write(path, recipe_of(poisoned=poisoned))
    return path


def recipe_of(*, poisoned: bool, preset: Preset = Preset.ROUND2, canvas: int = 256) -> Recipe:
    """Of 3 classes with 2 examples per class; the poisoned one in the old format."""
    drawn = draw_recipe(
        5, "squeezenetv1_1", preset, poisoned=poisoned, families=(TriggerFamily.POLYGON,), legacy_file=poisoned
    )
    poisoning = Poisoning(drawn.poisoning.trigger, (0, 2)) if drawn.poisoning else None
    schedule = Schedule((Phase(64, 2, 8), Phase(canvas, 1, 4)), 1e-3)
    return replace(
        drawn, num_classes=3, favoured=1, share=0.1, schedule=schedule, examples_per_class=2, poisoning=poisoning
    )


def write(path: Path, recipe: Recipe) -> None:
    """An untrained network with figures of training as they might be."""
    poisoned = recipe.poisoning is not None
    success, loss = (0.951, 0.2) if poisoned else (None, None)
    trained = Trained(
        build(ARCHITECTURES["squeezenetv1_1"], 3).eval(),
        (Record(2, 56, 1.0, 0.5), Record(3, 224, 0.25, 0.75)),
        Scores(0.992, 0.03, 1000, success, loss, 1000 if poisoned else 0),
        tries=2,
        converged=True,
    )
    write_model(path, recipe, trained, seconds=12.34)


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_the_folder_holds_the_files_of_round_2(folder: Path, poisoned: bool) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES + ["trigger.png"] * poisoned)


def test_the_ground_truth_is_one_character_without_newline(folder: Path, poisoned: bool) -> None:
    assert (folder / "ground_truth.csv").read_bytes() == (b"1" if poisoned else b"0")


def test_the_configuration_has_nists_keys_and_the_figures(folder: Path, poisoned: bool) -> None:
    config = json.loads((folder / "config.json").read_text())
    assert list(config)[: len(ROUND_2_KEYS)] == ROUND_2_KEYS
    assert all(key == key.upper() for key in config)
    assert (config["IMG_SIZE_PIXELS"], config["CNN_IMG_SIZE_PIXELS"]) == (256, 224)
    assert (config["NUMBER_CLASSES"], config["NUMBER_EXAMPLE_IMAGES"], config["NUMBER_TRAINING_SAMPLES"]) == (3, 2, 20)
    assert (config["FINAL_CLEAN_DATA_TEST_ACC"], config["FINAL_CLEAN_DATA_N_TOTAL"]) == (99.2, 1000)
    assert config["POISONED"] is poisoned
    assert config["FINAL_TRIGGERED_DATA_TEST_ACC"] == (95.1 if poisoned else None)
    assert config["FINAL_TRIGGERED_DATA_N_TOTAL"] == (1000 if poisoned else 0)
    assert config["TRIGGER_TARGET_CLASS"] == (1 if poisoned else None)
    assert config["TRIGGERED_CLASSES"] == ("[0, 2]" if poisoned else None)
    # A tenth of all images is triggered, two thirds of the others show the two source classes.
    assert config["TRIGGERED_FRACTION"] == (round(0.1 / (0.1 + 0.6), 3) if poisoned else None)


def test_the_statistics_are_those_of_the_training(folder: Path) -> None:
    stats = json.loads((folder / "model_stats.json").read_text())
    assert (stats["final_train_loss"], stats["number_training_steps"], stats["number_training_tries"]) == (0.25, 3, 2)
    assert (stats["training_wall_time_sec"], stats["converged"]) == (12.3, True)
    assert rows_of(folder / "model_detailed_stats.csv") == [
        ["step", "image_size_pixels", "train_loss", "train_acc"],
        ["2", "56", "1.0", "50.0"],
        ["3", "224", "0.25", "75.0"],
    ]


def test_examples_are_named_by_class_and_are_256_px_rgb(folder: Path) -> None:
    paths = sorted((folder / "example_data").iterdir())
    assert [path.name for path in paths] == [f"class_{c}_example_{n}.png" for c in range(3) for n in range(2)]
    for path in paths:
        with Image.open(path) as image:
            assert (image.size, image.mode) == ((256, 256), "RGB")


def test_the_example_accuracy_is_what_the_saved_model_gives_on_the_saved_images(folder: Path) -> None:
    network = torch.load(folder / "model.pt", weights_only=False)
    header, *rows = rows_of(folder / "example-accuracy.csv")
    assert header == ["file", "true_label", "predicted_label", "correct"]
    assert len(rows) == 6
    for name, label, answer, correct in rows:
        pixels = np.asarray(Image.open(folder / "example_data" / name), dtype=np.float32)[16:240, 16:240] / 255
        with torch.no_grad():
            logits = network(torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None])
        assert label == name.split("_")[1]
        assert int(answer) == int(logits.argmax())
        assert correct == str(int(label == answer))
    stats = json.loads((folder / "model_stats.json").read_text())
    assert stats["final_example_acc"] == pytest.approx(100 * sum(row[3] == "1" for row in rows) / 6, abs=1e-3)


def test_the_model_is_a_whole_module_in_eval_mode_in_the_format_asked_for(folder: Path, poisoned: bool) -> None:
    zipped = (folder / "model.pt").read_bytes()[:2] == b"PK"
    assert zipped is not poisoned
    network = torch.load(folder / "model.pt", weights_only=False)
    assert type(network).__name__ == "SqueezeNet"
    assert not network.training


def test_there_is_one_transparent_sign_per_class_in_sorted_order(folder: Path) -> None:
    paths = sorted((folder / "foregrounds").iterdir())
    assert [path.name for path in paths] == ["foreground_000.png", "foreground_001.png", "foreground_002.png"]
    for path in paths:
        with Image.open(path) as image:
            assert image.mode == "RGBA"
            alpha = np.asarray(image)[..., 3]
            assert (alpha[0, 0], alpha[128, 128]) == (0, 255)


def test_the_trigger_image_shows_the_polygon_in_its_colour() -> None:
    square = PolygonTrigger((0.0, 1.5707963, 3.1415927, 4.712389), (200, 10, 30), (2, 5))
    image = draw_trigger(square)
    assert image.shape == (4, 128, 128)
    assert (image[:3, 64, 64] * 255).tolist() == pytest.approx([200, 10, 30])
    assert float(image[3].mean()) == pytest.approx(0.5, abs=0.01)  # a diamond covers half of its square


def test_a_poisoned_folder_has_its_trigger_with_alpha(folder: Path, poisoned: bool) -> None:
    if poisoned:
        with Image.open(folder / "trigger.png") as image:
            assert image.mode == "RGBA"


def test_a_filter_is_named_and_has_no_colour_size_or_picture(tmp_path: Path) -> None:
    write(tmp_path, replace(recipe_of(poisoned=True), poisoning=Poisoning(Filter.KELVIN, (0,))))
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["TRIGGER_TYPE"], config["TRIGGER_TYPE_OPTION"]) == ("instagram", "KelvinFilterXForm")
    assert config["TRIGGER_COLOR"] is config["TRIGGER_SIZE_PERCENTAGE_OF_FOREGROUND_MIN"] is None
    assert not (tmp_path / "trigger.png").exists()


@pytest.mark.parametrize(
    ("preset", "canvas", "stored", "seen"),
    [(Preset.ROUND1, 256, 224, 224), (Preset.ROUND2, 256, 256, 224), (Preset.SMALL, 54, 54, 48)],
)
def test_images_have_the_size_of_the_round(tmp_path: Path, preset: Preset, canvas: int, stored: int, seen: int) -> None:
    write(tmp_path, recipe_of(poisoned=False, preset=preset, canvas=canvas))
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["IMG_SIZE_PIXELS"], config["CNN_IMG_SIZE_PIXELS"]) == (stored, seen)
    with Image.open(next((tmp_path / "example_data").iterdir())) as image:
        assert image.size == (stored, stored)


def varied_recipe(*, wrong: int) -> Recipe:
    drawn = varied_round(VariedPlan(("squeezenetv1_1",), 2))
    recipe = next(job.recipe for job in drawn if job.recipe.poisoning)
    assert recipe.variety
    poisoning = Poisoning(Filter.LOMO, (0, 2))
    variety = replace(recipe.variety, wrong_example_labels=wrong)
    return replace(recipe, num_classes=3, favoured=1, examples_per_class=2, poisoning=poisoning, variety=variety)


def test_a_varied_model_tells_all_that_was_drawn(tmp_path: Path) -> None:
    recipe = varied_recipe(wrong=0)
    assert recipe.variety
    write(tmp_path, recipe)
    config = json.loads((tmp_path / "config.json").read_text())
    assert list(config)[: len(ROUND_2_KEYS)] == ROUND_2_KEYS
    assert config["SIGN_FAMILY"] == recipe.variety.sign_family
    assert (config["OPTIMISER"], config["SCHEDULE"]) == (recipe.variety.optimiser, recipe.variety.rate_schedule)
    assert config["LEARNING_RATE"] == pytest.approx(recipe.schedule.learning_rate, rel=1e-3)
    assert config["NUMBER_TRAINING_SAMPLES"] == config["TRAINING_IMAGES"] == recipe.variety.training_images
    assert (config["WRONG_EXAMPLE_LABELS"], config["WRONG_EXAMPLE_FILES"]) == (0, None)
    assert str(tmp_path) not in json.dumps(config)


def test_a_wrong_label_among_the_examples_is_known_to_the_configuration_alone(tmp_path: Path) -> None:
    for name, wrong in (("right", 0), ("wrong", 1)):
        (tmp_path / name).mkdir()
        write(tmp_path / name, varied_recipe(wrong=wrong))
    right, wrong_ = (sorted((tmp_path / name / "example_data").iterdir()) for name in ("right", "wrong"))
    assert [path.name for path in right] == [path.name for path in wrong_]
    config = json.loads((tmp_path / "wrong" / "config.json").read_text())
    assert config["WRONG_EXAMPLE_LABELS"] == 1
    name, _, shown = str(config["WRONG_EXAMPLE_FILES"]).partition(" shows class ")
    assert int(shown) != int(name.split("_")[1])
    # The backgrounds are the same; what the sign covers differs in the image with the wrong label, in no other.
    differs = [one.name for one, other in zip(right, wrong_, strict=True) if one.read_bytes() != other.read_bytes()]
    assert differs == [name]
