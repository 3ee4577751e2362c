"""METADATA.csv against the rules of NIST's writer."""

import csv
import json
from pathlib import Path

from laboratory.roundgen.metadata import write_metadata

# Columns of NIST's Round 2 METADATA.csv, in its order, up to the statistics.
ROUND_2_COLUMNS = [
    "model_name", "poisoned", "master_seed", "img_size_pixels", "cnn_img_size_pixels",
    "gaussian_blur_ksize_min", "gaussian_blur_ksize_max", "rain_probability", "fog_probability",
    "number_classes", "number_training_samples", "number_test_samples", "number_example_images",
    "background_image_dataset", "number_background_images", "model_architecture",
    "foreground_size_percentage_of_image_min", "foreground_size_percentage_of_image_max",
    "foreground_size_pixels_min", "foreground_size_pixels_max", "number_triggered_classes", "triggered_classes",
    "trigger_color", "trigger_size_percentage_of_foreground_min", "trigger_size_percentage_of_foreground_max",
    "triggered_fraction", "trigger_target_class", "trigger_behavior", "trigger_type", "trigger_type_option",
]  # fmt: skip


def write_config(folder: Path, name: str, **values: object) -> None:
    content: dict[str, object] = {column.upper(): index for index, column in enumerate(ROUND_2_COLUMNS[1:])}
    content |= {"FINAL_TRAIN_LOSS": 0.1, "FINAL_TRAIN_ACC": 99.0, "FINAL_EXAMPLE_ACC": 100.0, "CONVERGED": True}
    (folder / name).mkdir()
    (folder / name / "config.json").write_text(json.dumps(content | values))


def read(folder: Path) -> list[dict[str, str]]:
    with (folder / "METADATA.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_columns_are_nists_with_accuracies_last_and_converged_at_the_end(tmp_path: Path) -> None:
    write_config(tmp_path, "id-00000000")
    write_metadata(tmp_path)
    columns = list(read(tmp_path)[0])
    assert columns[: len(ROUND_2_COLUMNS)] == ROUND_2_COLUMNS
    assert columns[len(ROUND_2_COLUMNS) :] == ["final_train_loss", "final_train_acc", "final_example_acc", "converged"]


def test_values_are_written_as_nist_writes_them(tmp_path: Path) -> None:
    write_config(tmp_path, "id-00000000", POISONED=True, TRIGGER_COLOR="[1, 2, 3]")
    write_config(tmp_path, "id-00000001", POISONED=False, TRIGGER_COLOR=None)
    write_metadata(tmp_path)
    rows = read(tmp_path)
    assert [(row["model_name"], row["poisoned"], row["trigger_color"]) for row in rows] == [
        ("id-00000000", "True", "[1 2 3]"),
        ("id-00000001", "False", "None"),
    ]


def test_unfinished_models_are_left_out_and_no_temporary_file_stays(tmp_path: Path) -> None:
    write_config(tmp_path, "id-00000003")
    write_config(tmp_path, ".unfinished-id-00000004")
    write_metadata(tmp_path)
    assert [row["model_name"] for row in read(tmp_path)] == ["id-00000003"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "METADATA.csv",
        "METADATA_DICTIONARY.csv",
    ]


def test_the_dictionary_explains_every_column(tmp_path: Path) -> None:
    write_config(tmp_path, "id-00000000")
    write_metadata(tmp_path)
    with (tmp_path / "METADATA_DICTIONARY.csv").open(newline="") as file:
        explained = {row["column"]: row["explanation"] for row in csv.DictReader(file)}
    assert set(read(tmp_path)[0]) <= set(explained)
    assert all(explained.values())
