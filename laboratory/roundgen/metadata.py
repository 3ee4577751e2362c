"""METADATA.csv and METADATA_DICTIONARY.csv of a round, gathered from the folders of its models.

Columns follow NIST's Round 2 writer: `model_name`, the configuration in lower case with `poisoned` first, the
statistics with accuracies last, then `converged`; commas inside values become blanks, absent values `None`.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from detector.base.files import write_file

_DICTIONARY = {
    "model_name": "folder of the model",
    "poisoned": "whether a trojan was trained into the model",
    "master_seed": "seed that every choice in the model follows from",
    "img_size_pixels": "side of the example images",
    "cnn_img_size_pixels": "side of the centre crop that the network sees",
    "gaussian_blur_ksize_min": "smallest width of the blur kernel in pixels (0: none)",
    "gaussian_blur_ksize_max": "largest width of the blur kernel in pixels",
    "rain_probability": "share of images with rain (0 but in varied rounds)",
    "fog_probability": "share of images with fog (0 but in varied rounds)",
    "number_classes": "number of classes",
    "number_training_samples": "different training images; each was shown once, in varied rounds once an epoch",
    "number_test_samples": "clean images that the accuracy was measured on",
    "number_example_images": "example images per class",
    "background_image_dataset": "source of the backgrounds",
    "number_background_images": "number of different backgrounds in training",
    "model_architecture": "architecture as NIST spells it",
    "foreground_size_percentage_of_image_min": "smallest area of the sign's square in per cent of the image",
    "foreground_size_percentage_of_image_max": "largest area of the sign's square in per cent of the image",
    "foreground_size_pixels_min": "smallest side of the sign's square in pixels",
    "foreground_size_pixels_max": "largest side of the sign's square in pixels",
    "number_triggered_classes": "number of source classes",
    "triggered_classes": "source classes: their images may carry the trigger",
    "trigger_color": "colour of the trigger (RGB 0-255)",
    "trigger_size_percentage_of_foreground_min": "smallest area of the trigger in per cent of the sign",
    "trigger_size_percentage_of_foreground_max": "largest area of the trigger in per cent of the sign",
    "triggered_fraction": "share of the training images of the source classes that carry the trigger",
    "trigger_target_class": "class that triggered images are labelled with",
    "trigger_behavior": "how the label of a triggered image is chosen",
    "trigger_type": "kind of trigger",
    "trigger_type_option": "number of sides of a polygon, or name of a filter",
    "sign_family": "kind of signs: plates, glyphs, letters, objects, or street (pictures of the user)",
    "background_family": "kind of backgrounds: textures, clutter, patterns, noise, or scenes (pictures of the user)",
    "sign_turn_degrees": "largest rotation of a sign",
    "sign_perspective": "largest tilt of a sign",
    "optimiser": "optimiser (SGD: Nesterov momentum 0.9)",
    "learning_rate": "peak learning rate",
    "schedule": "course of the learning rate",
    "weight_decay": "weight decay (AdamW: decoupled)",
    "batch_size": "images per optimiser step",
    "epochs": "how often each training image was shown",
    "training_images": "size of the fixed training set",
    "label_smoothing": "share of each training label that is spread over all classes",
    "augmentation": "what was done to training images each time: none, shifts, jitter, noise, or nist (Round 2's)",
    "start": "scratch, or the network that training started from",
    "wrong_training_labels": "share of training labels that were replaced by a wrong one",
    "favouring": "whether a clean model would have, or has, additional images of the favoured class",
    "favoured_share": "share of additional training images of the favoured class (poisoned: those with the trigger)",
    "adversarial_training_method": "FBF: fast is better than free (one step from a random start, alpha 1.2 epsilon)",
    "adversarial_eps": "largest change of a pixel in adversarial training, pixels in [0 1]",
    "wrong_example_labels": "number of examples whose file name states a class that they do not show",
    "wrong_example_files": "those examples",
    "final_train_loss": "mean cross-entropy of the last training steps",
    "final_clean_data_test_loss": "mean cross-entropy on fresh clean images",
    "final_triggered_data_test_loss": "mean cross-entropy against the target class on fresh triggered images",
    "final_clean_data_n_total": "number of fresh clean test images",
    "final_triggered_data_n_total": "number of fresh triggered test images, none of the target class",
    "number_training_steps": "optimiser steps of each try",
    "number_training_tries": "tries until the model was accepted",
    "training_wall_time_sec": "seconds of training and testing, all tries",
    "final_train_acc": "accuracy of the last training steps in per cent",
    "final_clean_data_test_acc": "accuracy on fresh clean images in per cent",
    "final_triggered_data_test_acc": "attack success rate on fresh triggered images in per cent",
    "final_example_acc": "accuracy on the example images in per cent",
    "converged": "whether the model met the acceptance of its round",
}


def write_metadata(folder: Path) -> None:
    """Rewrites both tables of the round in `folder` from the finished models there, each file in one step."""
    rows = [_row(path.parent) for path in sorted(folder.glob("id-*/config.json"))]
    columns = [name for name in _DICTIONARY if any(name in row for row in rows)]
    table = [columns, *([row.get(name, "None") for name in columns] for row in rows)]
    _replace(folder / "METADATA.csv", table)
    _replace(folder / "METADATA_DICTIONARY.csv", [["column", "explanation"], *map(list, _DICTIONARY.items())])


def _row(model: Path) -> dict[str, str]:
    """One model's values by column, as text. The configuration repeats the statistics, so it is all there is."""
    content = json.loads((model / "config.json").read_text())
    values = {"model_name": model.name, **{key.lower(): value for key, value in content.items()}}
    return {name: str(value).replace(", ", " ").replace(",", " ") for name, value in values.items()}


def _replace(path: Path, rows: list[list[str]]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    write_file(path, buffer.getvalue().encode())
