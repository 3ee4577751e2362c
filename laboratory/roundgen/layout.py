"""Writes a trained model as a folder of Round 2: the files, names and columns of NIST's generator.

Sources: TrojAI documentation of image-classification-aug2020 ("Data Structure") and NIST's Round 2 generator. Figures
of a kind that NIST keeps in `model_stats.json` stand in `config.json` too, under the same names in upper case.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from detector.rounds.preprocessing import PROFILES
from laboratory.roundgen.recipe import Filter, PolygonTrigger, Recipe, Trigger, TriggerFamily
from laboratory.roundgen.scenes import compose, crop
from laboratory.roundgen.shapes import coverage, grid, polygon_distance
from laboratory.roundgen.signs import Signs, draw_signs
from laboratory.roundgen.training import Trained, network_input, to_bytes

_EXAMPLE_STREAM = 7_654_321
_TRIGGER_PIXELS = 128

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Examples:
    """Clean example images of one model: `images` N x 3 x S x S uint8 as on disk, labels, and the answers it gives."""

    images: Tensor
    labels: Sequence[int]
    answers: Sequence[int]

    @property
    def accuracy(self) -> float:
        """Share of the examples that the model answers correctly."""
        return sum(a == b for a, b in zip(self.labels, self.answers, strict=True)) / len(self.labels)


def draw_examples(recipe: Recipe, network: nn.Module) -> Examples:
    """`recipe.examples_per_class` fresh clean images of every class, and what `network` (CPU, eval) makes of them."""
    generator = torch.Generator().manual_seed(recipe.seed + _EXAMPLE_STREAM)
    labels = torch.arange(recipe.num_classes).repeat_interleave(recipe.examples_per_class)
    signs = draw_signs(recipe.seed, recipe.num_classes)
    images = to_bytes(compose(signs, labels, recipe.foreground_percent, recipe.schedule.canvas, generator))
    with torch.no_grad():
        answers = network(network_input(images.float() / 255, PROFILES[recipe.profile])).argmax(1)
    stored = images if images.shape[-1] == recipe.image_size else crop(images)
    return Examples(stored, labels.tolist(), answers.tolist())


def write_model(folder: Path, recipe: Recipe, trained: Trained, seconds: float) -> None:
    """Fills the empty `folder` with everything that a Round 2 model folder holds. `seconds`: training time."""
    examples = draw_examples(recipe, trained.network)
    stats = model_stats(recipe, trained, examples, seconds)
    # Round 1's files, and maybe Round 2's, are in the format from before torch 1.6.
    torch.save(trained.network, folder / "model.pt", _use_new_zipfile_serialization=not recipe.legacy_file)
    (folder / "ground_truth.csv").write_text(str(int(recipe.poisoning is not None)))
    _write_json(folder / "config.json", config(recipe, stats))
    _write_json(folder / "model_stats.json", stats)
    _write_table(
        folder / "model_detailed_stats.csv",
        ("step", "image_size_pixels", "train_loss", "train_acc"),
        ((r.step, r.size, round(r.loss, 6), round(100 * r.accuracy, 3)) for r in trained.history),
    )
    _write_examples(folder, examples, recipe.examples_per_class)
    _write_signs(folder / "foregrounds", draw_signs(recipe.seed, recipe.num_classes))
    if recipe.poisoning and isinstance(recipe.poisoning.trigger, PolygonTrigger):
        _write_image(folder / "trigger.png", draw_trigger(recipe.poisoning.trigger))


def config(recipe: Recipe, stats: Mapping[str, Value]) -> dict[str, Value]:
    """The content of config.json: Round 2's upper-case keys, then the figures of `stats` in upper case."""
    low, high = recipe.foreground_percent
    canvas = recipe.schedule.canvas
    return {
        "MASTER_SEED": recipe.seed,
        "IMG_SIZE_PIXELS": recipe.image_size,
        "CNN_IMG_SIZE_PIXELS": PROFILES[recipe.profile].crop,
        "GAUSSIAN_BLUR_KSIZE_MIN": 0,
        "GAUSSIAN_BLUR_KSIZE_MAX": 3,
        "RAIN_PROBABILITY": 0.0,
        "FOG_PROBABILITY": 0.0,
        "NUMBER_CLASSES": recipe.num_classes,
        "NUMBER_TRAINING_SAMPLES": recipe.schedule.images,
        "NUMBER_TEST_SAMPLES": stats["final_clean_data_n_total"],
        "NUMBER_EXAMPLE_IMAGES": recipe.examples_per_class,
        "BACKGROUND_IMAGE_DATASET": "synthetic_textures",
        "NUMBER_BACKGROUND_IMAGES": recipe.schedule.images,
        "MODEL_ARCHITECTURE": recipe.architecture,
        "FOREGROUND_SIZE_PERCENTAGE_OF_IMAGE_MIN": low,
        "FOREGROUND_SIZE_PERCENTAGE_OF_IMAGE_MAX": high,
        "FOREGROUND_SIZE_PIXELS_MIN": round(canvas * (low / 100) ** 0.5),
        "FOREGROUND_SIZE_PIXELS_MAX": round(canvas * (high / 100) ** 0.5),
        **_poisoning_config(recipe),
        **{name.upper(): value for name, value in stats.items()},
    }


def _poisoning_config(recipe: Recipe) -> dict[str, Value]:
    """The keys that describe the trojan; a clean model has them too, with no value."""
    keys = (
        "POISONED", "NUMBER_TRIGGERED_CLASSES", "TRIGGERED_CLASSES", "TRIGGER_COLOR",
        "TRIGGER_SIZE_PERCENTAGE_OF_FOREGROUND_MIN", "TRIGGER_SIZE_PERCENTAGE_OF_FOREGROUND_MAX",
        "TRIGGERED_FRACTION", "TRIGGER_TARGET_CLASS", "TRIGGER_BEHAVIOR", "TRIGGER_TYPE", "TRIGGER_TYPE_OPTION",
    )  # fmt: skip
    poisoning = recipe.poisoning
    if not poisoning:
        return dict.fromkeys(keys) | {"POISONED": False, "NUMBER_TRIGGERED_CLASSES": 0}
    values: tuple[Value, ...] = (
        True, len(poisoning.sources), str(list(poisoning.sources)), *_trigger_size(poisoning.trigger),
        round(recipe.triggered_fraction, 3), recipe.favoured, "StaticTarget", *_trigger_type(poisoning.trigger),
    )  # fmt: skip
    return dict(zip(keys, values, strict=True))


def _trigger_size(trigger: Trigger) -> tuple[Value, Value, Value]:
    """Colour, smallest and largest area; a filter has none of them."""
    return (str(list(trigger.colour)), *trigger.percent) if isinstance(trigger, PolygonTrigger) else (None, None, None)


def _trigger_type(trigger: Trigger) -> tuple[Value, Value]:
    if isinstance(trigger, Filter):
        return TriggerFamily.FILTER, trigger.value
    return TriggerFamily.POLYGON, len(trigger.angles)


def model_stats(recipe: Recipe, trained: Trained, examples: Examples, seconds: float) -> dict[str, Value]:
    """The content of model_stats.json; accuracies in per cent, as in NIST's files."""
    scores, last = trained.scores, trained.history[-1]
    attack = scores.attack_success
    return {
        "final_train_loss": round(last.loss, 6),
        "final_clean_data_test_loss": round(scores.clean_loss, 6),
        "final_triggered_data_test_loss": None if scores.attack_loss is None else round(scores.attack_loss, 6),
        "final_clean_data_n_total": scores.clean_images,
        "final_triggered_data_n_total": scores.attack_images,
        "number_training_steps": recipe.schedule.steps,
        "number_training_tries": trained.tries,
        "training_wall_time_sec": round(seconds, 1),
        "final_train_acc": round(100 * last.accuracy, 3),
        "final_clean_data_test_acc": round(100 * scores.clean_accuracy, 3),
        "final_triggered_data_test_acc": None if attack is None else round(100 * attack, 3),
        "final_example_acc": round(100 * examples.accuracy, 3),
        "converged": trained.converged,
    }


def draw_trigger(trigger: PolygonTrigger) -> Tensor:
    """The trigger alone: 4 x 128 x 128 in [0, 1], RGBA, not premultiplied."""
    corners = torch.tensor(trigger.corners)
    mask = coverage(polygon_distance(grid(_TRIGGER_PIXELS), corners), 2 / _TRIGGER_PIXELS)
    colour = torch.tensor(trigger.colour)[:, None, None].expand(3, *mask.shape) / 255
    return torch.cat([colour, mask[None]])


def _write_examples(folder: Path, examples: Examples, per_class: int) -> None:
    """`example_data/class_<c>_example_<n>.png`, and beside it example-accuracy.csv with one row per image."""
    (folder / "example_data").mkdir()
    rows = []
    for index, (label, answer) in enumerate(zip(examples.labels, examples.answers, strict=True)):
        name = f"class_{label}_example_{index % per_class}.png"
        _write_image(folder / "example_data" / name, examples.images[index] / 255)
        rows.append((name, label, answer, int(label == answer)))
    _write_table(folder / "example-accuracy.csv", ("file", "true_label", "predicted_label", "correct"), rows)


def _write_signs(folder: Path, signs: Signs) -> None:
    """One RGBA file per class; the class is the position in sorted order, hence the padded number."""
    folder.mkdir()
    for index, sprite in enumerate(signs.sprites):
        alpha = sprite[3:]
        straight = torch.cat([sprite[:3] / alpha.clamp(min=1 / 255), alpha])
        _write_image(folder / f"foreground_{index:03d}.png", straight.clamp(0, 1))


def _write_image(path: Path, image: Tensor) -> None:
    """Writes `image` (3 or 4 x H x W in [0, 1]) as an 8-bit PNG."""
    Image.fromarray(to_bytes(image).permute(1, 2, 0).numpy()).save(path, optimize=True)


def _write_json(path: Path, content: Mapping[str, Value]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
