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
from laboratory.roundgen.batches import network_input, to_bytes
from laboratory.roundgen.recipe import Filter, PolygonTrigger, Recipe, Trigger, TriggerFamily
from laboratory.roundgen.scenes import crop
from laboratory.roundgen.shapes import coverage, grid, polygon_distance
from laboratory.roundgen.signs import Signs
from laboratory.roundgen.stage import Stage, stage_of
from laboratory.roundgen.training import Trained
from laboratory.roundgen.variety import Variety

_EXAMPLE_STREAM = 7_654_321
_MISLABELLING_STREAM = 8_765_432
_TRIGGER_PIXELS = 128

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Examples:
    """Clean example images of one model: `images` N x 3 x S x S uint8 as on disk, the labels that their names state,
    the classes that they show, and the answers that the model gives."""

    images: Tensor
    labels: Sequence[int]
    shown: Sequence[int]
    answers: Sequence[int]

    @property
    def accuracy(self) -> float:
        """Share of the examples that the model answers correctly."""
        return sum(a == b for a, b in zip(self.labels, self.answers, strict=True)) / len(self.labels)


def draw_examples(recipe: Recipe, stage: Stage, network: nn.Module) -> Examples:
    """`recipe.examples_per_class` fresh clean images of every class, and what `network` (CPU, eval) makes of them.

    Where the recipe asks for wrong labels some show another class than their names state.
    """
    generator = torch.Generator().manual_seed(recipe.seed + _EXAMPLE_STREAM)
    labels = torch.arange(recipe.num_classes).repeat_interleave(recipe.examples_per_class)
    shown = _mislabelled(recipe, labels)
    images = to_bytes(stage.compose(shown, recipe.schedule.canvas, generator))
    with torch.no_grad():
        answers = network(network_input(images.float() / 255, PROFILES[recipe.profile])).argmax(1)
    stored = images if images.shape[-1] == recipe.image_size else crop(images)
    return Examples(stored, labels.tolist(), shown.tolist(), answers.tolist())


def _mislabelled(recipe: Recipe, labels: Tensor) -> Tensor:
    """The classes that images with these labels show; drawn apart, so that all other images stay the same."""
    count = recipe.variety.wrong_example_labels if recipe.variety else 0
    if not count:
        return labels
    generator = torch.Generator().manual_seed(recipe.seed + _MISLABELLING_STREAM)
    shown = labels.clone()
    wrong = torch.randperm(len(labels), generator=generator)[:count]
    shift = torch.randint(1, recipe.num_classes, (count,), generator=generator)
    shown[wrong] = (labels[wrong] + shift) % recipe.num_classes
    return shown


def write_model(folder: Path, recipe: Recipe, trained: Trained, seconds: float) -> None:
    """Fills the empty `folder` with everything that a Round 2 model folder holds. `seconds`: training time."""
    stage = stage_of(recipe)
    examples = draw_examples(recipe, stage, trained.network)
    stats = model_stats(recipe, trained, examples, seconds)
    # Round 1's files, and maybe Round 2's, are in the format from before torch 1.6.
    torch.save(trained.network, folder / "model.pt", _use_new_zipfile_serialization=not recipe.legacy_file)
    (folder / "ground_truth.csv").write_text(str(int(recipe.poisoning is not None)))
    _write_json(folder / "config.json", config(recipe, stats) | _example_config(recipe, examples))
    _write_json(folder / "model_stats.json", stats)
    _write_table(
        folder / "model_detailed_stats.csv",
        ("step", "image_size_pixels", "train_loss", "train_acc"),
        ((r.step, r.size, round(r.loss, 6), round(100 * r.accuracy, 3)) for r in trained.history),
    )
    _write_examples(folder, examples, recipe)
    _write_signs(folder / "foregrounds", stage.signs)
    if recipe.poisoning and isinstance(recipe.poisoning.trigger, PolygonTrigger):
        _write_image(folder / "trigger.png", draw_trigger(recipe.poisoning.trigger))


def config(recipe: Recipe, stats: Mapping[str, Value]) -> dict[str, Value]:
    """The content of config.json: Round 2's upper-case keys, then the figures of `stats` in upper case."""
    content = recipe_config(recipe) | {"NUMBER_TEST_SAMPLES": stats["final_clean_data_n_total"]}
    return content | {name.upper(): value for name, value in stats.items()}


def recipe_config(recipe: Recipe) -> dict[str, Value]:
    """What config.json says of the recipe alone, in the order of Round 2."""
    low, high = recipe.foreground_percent
    canvas, variety = recipe.schedule.canvas, recipe.variety
    images = variety.training_images if variety else recipe.schedule.images
    return {
        "MASTER_SEED": recipe.seed,
        "IMG_SIZE_PIXELS": recipe.image_size,
        "CNN_IMG_SIZE_PIXELS": PROFILES[recipe.profile].crop,
        "GAUSSIAN_BLUR_KSIZE_MIN": 0,
        "GAUSSIAN_BLUR_KSIZE_MAX": 3,
        "RAIN_PROBABILITY": round(variety.rain_probability, 4) if variety else 0.0,
        "FOG_PROBABILITY": round(variety.fog_probability, 4) if variety else 0.0,
        "NUMBER_CLASSES": recipe.num_classes,
        "NUMBER_TRAINING_SAMPLES": images,
        "NUMBER_TEST_SAMPLES": None,
        "NUMBER_EXAMPLE_IMAGES": recipe.examples_per_class,
        "BACKGROUND_IMAGE_DATASET": variety.background_family if variety else "synthetic_textures",
        "NUMBER_BACKGROUND_IMAGES": images,
        "MODEL_ARCHITECTURE": recipe.architecture,
        "FOREGROUND_SIZE_PERCENTAGE_OF_IMAGE_MIN": low,
        "FOREGROUND_SIZE_PERCENTAGE_OF_IMAGE_MAX": high,
        "FOREGROUND_SIZE_PIXELS_MIN": round(canvas * (low / 100) ** 0.5),
        "FOREGROUND_SIZE_PIXELS_MAX": round(canvas * (high / 100) ** 0.5),
        **_poisoning_config(recipe),
        **(_variety_config(recipe, variety) if variety else {}),
    }


def _variety_config(recipe: Recipe, variety: Variety) -> dict[str, Value]:
    """The keys of varied rounds, those that Round 3 has under its names."""
    return {
        "SIGN_FAMILY": variety.sign_family,
        "BACKGROUND_FAMILY": variety.background_family,
        "SIGN_TURN_DEGREES": round(variety.turn_degrees, 1),
        "SIGN_PERSPECTIVE": round(variety.perspective, 3),
        "OPTIMISER": variety.optimiser,
        "LEARNING_RATE": float(f"{recipe.schedule.learning_rate:.4g}"),
        "SCHEDULE": variety.rate_schedule,
        "WEIGHT_DECAY": float(f"{variety.weight_decay:.4g}"),
        "BATCH_SIZE": recipe.schedule.phases[-1].batch,
        "EPOCHS": variety.epochs,
        "TRAINING_IMAGES": variety.training_images,
        "LABEL_SMOOTHING": round(recipe.label_smoothing, 4),
        "AUGMENTATION": variety.augmentation,
        "START": "scratch" if recipe.start is None else f"network {recipe.start}",
        "WRONG_TRAINING_LABELS": round(variety.wrong_training_labels, 4),
        "FAVOURING": variety.favouring,
        "FAVOURED_SHARE": round(recipe.share, 4) if recipe.poisoning or variety.favouring else 0.0,
        "ADVERSARIAL_TRAINING_METHOD": "FBF" if variety.adversarial_eps else None,
        "ADVERSARIAL_EPS": round(variety.adversarial_eps / 255, 6) if variety.adversarial_eps else None,
    }


def _example_config(recipe: Recipe, examples: Examples) -> dict[str, Value]:
    """Which examples have a wrong label, in varied rounds; nothing else tells of it."""
    if recipe.variety is None:
        return {}
    wrong = [index for index, label in enumerate(examples.labels) if examples.shown[index] != label]
    names = [f"{_example_name(examples, recipe, index)} shows class {examples.shown[index]}" for index in wrong]
    return {"WRONG_EXAMPLE_LABELS": len(wrong), "WRONG_EXAMPLE_FILES": "; ".join(names) or None}


def _example_name(examples: Examples, recipe: Recipe, index: int) -> str:
    return f"class_{examples.labels[index]}_example_{index % recipe.examples_per_class}.png"


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


def _write_examples(folder: Path, examples: Examples, recipe: Recipe) -> None:
    """`example_data/class_<c>_example_<n>.png`, and beside it example-accuracy.csv with one row per image."""
    (folder / "example_data").mkdir()
    rows = []
    for index, (label, answer) in enumerate(zip(examples.labels, examples.answers, strict=True)):
        name = _example_name(examples, recipe, index)
        _write_image(folder / "example_data" / name, examples.images[index] / 255)
        rows.append((name, label, answer, int(label == answer)))
    _write_table(folder / "example-accuracy.csv", ("file", "true_label", "predicted_label", "correct"), rows)


def _write_signs(folder: Path, signs: Signs) -> None:
    """One RGBA file per class, its first look; the class is the position in sorted order, hence the padded number."""
    folder.mkdir()
    for index, sprite in enumerate(signs.sprites[:: signs.looks]):
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
