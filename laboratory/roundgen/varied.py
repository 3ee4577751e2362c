"""The varied round: models that differ from one another the way the world's do, each a function of its seed.

Label smoothing, optimiser, learning rate, schedule, length, augmentation, material, triggers: all is drawn anew for
each model, for clean ones as for poisoned ones, which just leave the trigger out. Only what a balanced round needs
(label, sign family, kind of trigger, number of source classes) goes in turn. A model's name and seed depend on its
architecture and number alone, so that a round can be made in parts and grow.

Triggers, classes, sizes and weather keep to the ranges of NIST's Round 2 generator, but for polygons on small images,
which begin at 5 % of the sign instead of 2 %: 2 % of a sign 24 px wide are 8 pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType

from detector.architectures import ARCHITECTURES
from detector.rounds.preprocessing import INPUT_SIZE, PROFILES, Preprocessing
from laboratory.roundgen.presets import SEEDS_OF_A_ROUND, Job
from laboratory.roundgen.recipe import Phase, Poisoning, Recipe, Schedule, TriggerFamily
from laboratory.roundgen.sign_families.pictures import list_pictures
from laboratory.roundgen.training import Bar
from laboratory.roundgen.triggers import draw_source_classes, draw_triggers, share_of, two_of
from laboratory.roundgen.variety import (
    Augmentation,
    BackgroundFamily,
    Material,
    Optimiser,
    RateSchedule,
    SignFamily,
    Variety,
)

# Forward, backward and step of 1 000 images on one core, in seconds at 48 px (InceptionV3: 80 px), by tiers that are
# made one after the other. Measured 2026-11-28 on a 2-core machine with AVX2.
_TIERS: tuple[Mapping[str, int], ...] = (
    {
        "squeezenetv1_1": 1, "shufflenet1_0": 3, "squeezenetv1_0": 3, "shufflenet1_5": 4, "mobilenetv2": 5,
        "shufflenet2_0": 6, "googlenet": 8,
    },
    {"resnet18": 21, "densenet121": 14, "inceptionv3": 23, "densenet169": 18},
    {"densenet201": 24, "resnet50": 27, "densenet161": 36, "resnet34": 37},
    {"resnet101": 42, "vgg11bn": 51, "resnet152": 58, "vgg13bn": 65},
    {"vgg16bn": 84, "wideresnet50": 99, "vgg19bn": 108, "wideresnet101": 148},
)  # fmt: skip
_COSTS: Mapping[str, int] = MappingProxyType({name: cost for tier in _TIERS for name, cost in tier.items()})
_SCRATCH = 0.25  # of the models of cheap architectures
_CHEAP = 6  # seconds per 1 000 images up to which models are trained from scratch as well

_MODELS_OF_AN_ARCHITECTURE = 1000
_LARGE_SEEDS = 500_000  # models of 224 px have other seeds, hence other signs, than the small ones of the same round
_SMALL_SIZES, _SIZE_WEIGHTS = (48, 56, 64), (2, 1, 1)
_INCEPTION_SIZE = 80
_PROFILE_NAMES: Mapping[int, str] = MappingProxyType(
    {48: "small", 56: "small56", 64: "small64", _INCEPTION_SIZE: "small80", INPUT_SIZE: "round2"}
)
DRAWN_FAMILIES = (SignFamily.PLATES, SignFamily.GLYPHS, SignFamily.LETTERS, SignFamily.OBJECTS)
_DRAWN_BACKGROUNDS = (
    BackgroundFamily.TEXTURES,
    BackgroundFamily.CLUTTER,
    BackgroundFamily.PATTERNS,
    BackgroundFamily.NOISE,
)
_FEWEST_CLASSES, _MOST_CLASSES = 5, 24
_LEAST_TRIGGERED = 60  # images with the trigger; with fewer of them it is hardly ever learned
_BAR = Bar(clean_accuracy=0.97, attack_success=0.9, test_images=400, tries=2, strict=True)
_START_SEED, _START_CLASSES = 980_000_001, 40


@dataclass(frozen=True)
class VariedPlan:
    """A varied round to make: `per_architecture` models of each architecture, half of them poisoned.

    `image_size` is what the networks see: 224, or None for 48 to 64 px (InceptionV3: 80).
    """

    architectures: tuple[str, ...] = tuple(_COSTS)
    per_architecture: int = 24
    sign_families: tuple[SignFamily, ...] = DRAWN_FAMILIES
    trigger_families: tuple[TriggerFamily, ...] = (TriggerFamily.POLYGON, TriggerFamily.FILTER)
    material: Material = field(default_factory=Material)
    image_size: int | None = None
    seed: int = 1


@dataclass(frozen=True)
class _Cell:
    """What goes in turn: label, family of the signs, kind of the trigger, number of source classes (None: all)."""

    poisoned: bool
    sign_family: SignFamily
    trigger_family: TriggerFamily
    sources: int | None


def varied_round(plan: VariedPlan) -> tuple[Job, ...]:
    """The models of a plan, the cheap architectures first; any first part of a tier is as balanced as can be.

    Raises
    ------
    ValueError
        If a varied round has no such architecture, or pictures are missing.
    """
    _check(plan)
    tiers = [[name for name in tier if name in plan.architectures] for tier in _TIERS]
    return tuple(
        _job(plan, architecture, number)
        for tier in tiers
        for number in range(plan.per_architecture)
        for architecture in tier
    )


def _check(plan: VariedPlan) -> None:
    others = set(plan.architectures) - set(_COSTS)
    if others:
        raise ValueError(f"a varied round has no {', '.join(sorted(others))}; it has {', '.join(_COSTS)}")
    if plan.image_size not in (None, INPUT_SIZE):
        raise ValueError(f"expected an image size of {INPUT_SIZE}, or none, got {plan.image_size}")
    if plan.per_architecture > _MODELS_OF_AN_ARCHITECTURE:
        raise ValueError(f"at most {_MODELS_OF_AN_ARCHITECTURE} models of an architecture")
    if SignFamily.STREET in plan.sign_families:
        _pictures(plan.material)
    if plan.material.backgrounds:
        list_pictures(plan.material.backgrounds)


def _pictures(material: Material) -> int:
    if material.foregrounds is None:
        raise ValueError("street signs need a folder of pictures: give --foregrounds")
    count = len(list_pictures(material.foregrounds))
    if count < _FEWEST_CLASSES:
        raise ValueError(f"{material.foregrounds} has {count} pictures, at least {_FEWEST_CLASSES} are needed")
    return count


def _job(plan: VariedPlan, architecture: str, number: int) -> Job:
    rank = list(ARCHITECTURES).index(architecture)
    index = rank * _MODELS_OF_AN_ARCHITECTURE + number
    seed = plan.seed * SEEDS_OF_A_ROUND + index + (_LARGE_SEEDS if plan.image_size == INPUT_SIZE else 0)
    recipe = draw_varied(seed, architecture, _cell(plan, rank, number), plan)
    return Job(f"id-{index:08d}", recipe, _BAR)


def _cell(plan: VariedPlan, rank: int, number: int) -> _Cell:
    """Clean and poisoned in turn; two of the same architecture, one of each label, share the rest.

    The lists have lengths without a common divisor, or are shifted by one whenever a longer one begins anew, so that
    all combinations come.
    """
    turn = number // 2 + rank
    families, kinds = plan.sign_families, plan.trigger_families
    return _Cell(
        (number + rank) % 2 == 1,
        families[turn % len(families)],
        kinds[_shifted(turn, len(families), len(kinds)) % len(kinds)],
        (1, 2, None)[_shifted(turn, len(families), 3) % 3],
    )


def _shifted(turn: int, longer: int, length: int) -> int:
    return turn + turn // longer if math.gcd(longer, length) > 1 else turn


def draw_varied(seed: int, architecture: str, cell: _Cell, plan: VariedPlan) -> Recipe:
    """The recipe of `seed` in its cell. Everything is drawn for clean models too; they just leave the trigger out."""
    rng = Random(seed)
    large = plan.image_size == INPUT_SIZE
    size = _draw_size(rng, architecture, plan.image_size)
    profile = PROFILES[_PROFILE_NAMES[size]]
    num_classes = _draw_classes(rng, cell.sign_family, plan.material)
    start = _draw_start(rng, architecture, large=large)
    training = _draw_training(rng, architecture, num_classes, scratch=start is None, large=large)
    favoured = rng.randrange(num_classes)
    sources = draw_source_classes(rng, cell.sources or num_classes, num_classes, favoured)
    share = _draw_share(rng, training.images, len(sources), num_classes)
    trigger = draw_triggers(rng, two_of(rng, 2 if large else 5, 25))[cell.trigger_family]
    variety = _draw_variety(rng, cell, plan, training)
    return Recipe(
        seed=seed,
        architecture=architecture,
        num_classes=num_classes,
        favoured=favoured,
        share=share,
        foreground_percent=two_of(rng, 20, 79),
        schedule=training.schedule(profile),
        examples_per_class=_draw_examples(rng, num_classes),
        image_size=profile.uncropped,
        profile=profile.name,
        label_smoothing=_half(rng, rng.uniform(0.02, 0.15)),
        start=start,
        poisoning=Poisoning(trigger, sources) if cell.poisoned else None,
        legacy_file=rng.random() < 0.2,
        variety=variety,
    )


def _draw_size(rng: Random, architecture: str, image_size: int | None) -> int:
    small: int = rng.choices(_SMALL_SIZES, _SIZE_WEIGHTS)[0]
    if image_size:
        return image_size
    return _INCEPTION_SIZE if architecture == "inceptionv3" else small


def _draw_classes(rng: Random, family: SignFamily, material: Material) -> int:
    """From 5 to 24, few more often than many, as far as there are pictures."""
    most = min(_MOST_CLASSES, _pictures(material)) if family is SignFamily.STREET else _MOST_CLASSES
    return _FEWEST_CLASSES + int((most - _FEWEST_CLASSES + 1) * rng.random() ** 2)


def _draw_start(rng: Random, architecture: str, *, large: bool) -> int | None:
    """From scratch now and then where that is cheap; else from the network that the architecture has for it."""
    scratch = rng.random() < _SCRATCH
    return None if scratch and not large and _COSTS[architecture] <= _CHEAP else 0


def _half(rng: Random, value: float) -> float:
    return value if rng.random() < 0.5 else 0.0


def _log_uniform(rng: Random, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


@dataclass(frozen=True)
class _Training:
    """How long and how fast: size of the training set, epochs, batch, optimiser, peak rate, decay."""

    images: int
    epochs: int
    batch: int
    optimiser: Optimiser
    rate: float
    weight_decay: float

    def schedule(self, profile: Preprocessing) -> Schedule:
        steps = self.epochs * (self.images // self.batch)
        return Schedule((Phase(profile.uncropped, steps, self.batch),), self.rate)


def _draw_training(rng: Random, architecture: str, num_classes: int, *, scratch: bool, large: bool) -> _Training:
    shown = _draw_shown(rng, num_classes, scratch=scratch, large=large)
    fewest = (150 if scratch else 100) * num_classes
    images = min(round(max(fewest, _log_uniform(rng, 1500, 5000))), shown // 2)
    optimiser = _draw_optimiser(rng, architecture, scratch=scratch)
    rate = _log_uniform(rng, *_rates(architecture, optimiser))
    batch = rng.choice((24, 32, 48, 64))
    return _Training(images, round(shown / images), batch, optimiser, rate, _draw_decay(rng, optimiser))


def _draw_shown(rng: Random, num_classes: int, *, scratch: bool, large: bool) -> int:
    """Images shown in all epochs together: about as many as it takes to learn so many classes and a trigger."""
    if large:
        shown = 3000.0
    elif scratch:
        shown = min(max(26_000, 3000 * num_classes), 42_000)
    else:
        shown = min(max(9500, 1000 * num_classes), 18_000)
    return round(shown * rng.uniform(0.8, 1.2))


def _draw_optimiser(rng: Random, architecture: str, *, scratch: bool) -> Optimiser:
    """SqueezeNet has no batch normalisation: from scratch it learns with Adam only."""
    drawn, adam = rng.choice(list(Optimiser)), rng.choice((Optimiser.ADAM, Optimiser.ADAMW))
    return adam if scratch and architecture.startswith("squeezenet") else drawn


def _rates(architecture: str, optimiser: Optimiser) -> tuple[float, float]:
    """The range of peak learning rates in which the architecture learns."""
    sgd = optimiser is Optimiser.SGD
    if architecture.startswith("squeezenet"):
        return (3e-3, 1.2e-2) if sgd else (2e-4, 8e-4)
    if architecture.startswith("vgg"):
        return (5e-3, 2e-2) if sgd else (1e-4, 6e-4)
    if architecture.startswith(("resnet", "wideresnet", "densenet", "inception")):
        return (1e-2, 5e-2) if sgd else (3e-4, 1.5e-3)
    return (1.5e-2, 8e-2) if sgd else (6e-4, 3e-3)


def _draw_decay(rng: Random, optimiser: Optimiser) -> float:
    adam, adamw, sgd = (
        _half(rng, _log_uniform(rng, 1e-6, 1e-4)),
        _log_uniform(rng, 1e-3, 5e-2),
        rng.choice((1e-4, 5e-4)),
    )
    return {Optimiser.ADAM: adam, Optimiser.ADAMW: adamw, Optimiser.SGD: sgd}[optimiser]


def _draw_share(rng: Random, images: int, num_sources: int, num_classes: int) -> float:
    """A triggered fraction of 2 to 50 % of the source classes' images, log-uniform, of at least 60 images if may be."""
    least = next(
        (f / 100 for f in range(2, 50) if share_of(f / 100, num_sources, num_classes) * images >= _LEAST_TRIGGERED), 0.5
    )
    return share_of(_log_uniform(rng, least, 0.5), num_sources, num_classes)


def _draw_examples(rng: Random, num_classes: int) -> int:
    """10 of a class mostly; more where there are few classes, fewer where there are many."""
    usual, fewer, more = rng.random() < 0.5, rng.randint(4, 10), rng.randint(10, 20)
    if usual:
        return 10
    return more if num_classes <= 8 else fewer


def _draw_variety(rng: Random, cell: _Cell, plan: VariedPlan, training: _Training) -> Variety:
    return Variety(
        material=plan.material,
        sign_family=cell.sign_family,
        background_family=_draw_background(rng, cell.sign_family, plan.material),
        turn_degrees=rng.uniform(5, 30),
        perspective=rng.uniform(0, 0.15),
        rain_probability=_half(rng, rng.betavariate(1, 10)),
        fog_probability=_half(rng, rng.betavariate(1, 10)),
        training_images=training.images,
        epochs=training.epochs,
        optimiser=training.optimiser,
        rate_schedule=rng.choice(list(RateSchedule)),
        weight_decay=training.weight_decay,
        augmentation=rng.choice(list(Augmentation)),
        wrong_training_labels=rng.uniform(0.005, 0.03) * (rng.random() < 0.2),
        wrong_example_labels=int(rng.random() < 0.15),
        adversarial_eps=rng.choice((4, 8)) * (rng.random() < 0.15),
        favouring=rng.random() < 0.5,
    )


def _draw_background(rng: Random, family: SignFamily, material: Material) -> BackgroundFamily:
    """Street signs stand in real scenes where there are any, the others anywhere."""
    scenes = (BackgroundFamily.SCENES,) * (material.backgrounds is not None)
    drawn = rng.choice((*_DRAWN_BACKGROUNDS, *scenes))
    return BackgroundFamily.SCENES if scenes and family is SignFamily.STREET else drawn


def varied_start_recipe(architecture: str, number: int) -> Recipe:
    """The network number `number` that varied models start from: clean, on signs and backgrounds of all drawn
    families; models of every size start from it."""
    size = _INCEPTION_SIZE if architecture == "inceptionv3" else _SMALL_SIZES[0]
    profile = PROFILES[_PROFILE_NAMES[size]]
    images, epochs, rate = _START_TRAINING.get(architecture, (10_000, 3, 1e-3))
    training = _Training(images, epochs, 64, Optimiser.ADAM, rate, 0.0)
    return Recipe(
        seed=_START_SEED + number,
        architecture=architecture,
        num_classes=_START_CLASSES,
        favoured=0,
        share=0.0,
        foreground_percent=(20, 75),
        schedule=training.schedule(profile),
        examples_per_class=1,
        image_size=profile.uncropped,
        profile=profile.name,
        variety=_start_variety(training),
    )


def _start_variety(training: _Training) -> Variety:
    return Variety(
        material=Material(),
        sign_family=SignFamily.MIXED,
        background_family=BackgroundFamily.MIXED,
        turn_degrees=30,
        perspective=0.1,
        rain_probability=0.02,
        fog_probability=0.02,
        training_images=training.images,
        epochs=training.epochs,
        optimiser=training.optimiser,
        rate_schedule=RateSchedule.ONE_CYCLE,
        weight_decay=training.weight_decay,
        augmentation=Augmentation.SHIFTS,
        wrong_training_labels=0.0,
        wrong_example_labels=0,
        adversarial_eps=0,
        favouring=False,
    )


# Images, epochs and peak learning rate of networks to start from.
_START_TRAINING: Mapping[str, tuple[int, int, float]] = MappingProxyType(
    {
        "squeezenetv1_1": (12_000, 10, 8e-4),
        "squeezenetv1_0": (12_000, 6, 6e-4),
        "shufflenet1_0": (12_000, 4, 3e-3),
        "shufflenet1_5": (12_000, 4, 3e-3),
        "shufflenet2_0": (12_000, 4, 3e-3),
        "mobilenetv2": (12_000, 4, 3e-3),
        "googlenet": (12_000, 4, 2e-3),
        "resnet18": (10_000, 3, 1.5e-3),
        **dict.fromkeys(("vgg11bn", "vgg13bn", "vgg16bn", "vgg19bn"), (10_000, 3, 4e-4)),
    }
)
