"""Every door at once, in a copy of the package: a toy method, probe, signal, mapping and round, one file for each.

`configure` learns the toy mapping from a toy round with the toy method and signal, `infer` answers with what it
learned, and with the toy probe beside it; whatever the bundle needs and is gone is named. Each run is a process of its
own, as a user's is.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

HOME = Path(__file__).resolve().parents[1]
MODEL = "id-00000003"

METHOD = '''
"""Fade: filters lose half of their weight."""
import numpy as np
from detector.graph.ir import Op
from detector.pruning.method import FilterMethod
from detector.pruning.variant import RowPatch


class Fade(FilterMethod):
    name = "Fade"
    summary = "half of its weights"
    layer_kinds = (Op.CONV,)

    def patches(self, layer, rows, network, theta):
        name = f"{layer.module}.weight"
        return (RowPatch(name, rows, network.weights[name][rows] * np.float32(0.5)),)
'''
PROBE = '''
"""Left and right exchanged."""
from types import MappingProxyType
from detector.probing.kind import Family, ProbeKind

KIND = ProbeKind(
    name="mirror", version=1, family=Family.CONTROL, description="left and right exchanged",
    parameters=MappingProxyType({}), apply=lambda images, values: images[..., ::-1].copy(), strength=None,
)
'''
SIGNAL = '''
"""How far logits lie apart."""
from detector.signals.registry import SIGNALS, VariantSignal

SIGNALS.add(VariantSignal("steepness", 1, lambda answers: answers.logits.std(axis=(1, 2)), relative=False))
'''
MAPPING = '''
"""One of two answers: on which side of the middle between clean and poisoned models. It says how it is fitted."""
from dataclasses import dataclass
from typing import ClassVar
from detector.mapping.port import MAPPINGS, MappingType
from detector.mapping.weighted_sum import WeightedSum


@dataclass(frozen=True)
class Step(WeightedSum):
    name: ClassVar[str] = "step"
    version: ClassVar[int] = 1

    def link(self, raw):
        return 0.75 if raw > 0 else 0.25


def fit(names, features, labels):
    clean, poisoned = (features[labels == label].mean(axis=0) for label in (0, 1))
    direction = poisoned - clean
    return Step.of(-direction @ (clean + poisoned) / 2, names, direction)


MAPPINGS.add(MappingType(Step, fit))
'''
ROUND = '''
"""Images of 40 pixels with their class beside them."""
import re
from detector.rounds.layout import RoundLayout
from detector.rounds.example_names import ExampleRule
from detector.rounds.profile import ChannelOrder, Preprocessing, Scaling

LAYOUT = RoundLayout(
    name="playroom",
    example_folders=("toys",),
    examples=ExampleRule("toy-<number>.png", re.compile(r"toy-(?P<number>[0-9]+)[.]png"), ".label"),
    profile=Preprocessing("playroom", 32, ChannelOrder.BGR, Scaling.MINMAX, 40),
    num_classes=(2, 9),
    label_column="evil",
)
'''


@dataclass(frozen=True)
class Door:
    """A file, and its entry: what stands in the registry's own file, and what stands there with the toy."""

    file: str
    text: str
    registry: str
    before: str
    after: str
    told: str  # what the error says of it where it is gone


DOORS = {
    "method": Door(
        "pruning/methods/fade.py",
        METHOD,
        "pruning/methods/__init__.py",
        "\nfor _method in (Remove(),",
        "from detector.pruning.methods.fade import Fade\n\nfor _method in (Fade(), Remove(),",
        "'Fade'",
    ),
    "probe": Door(
        "probing/kinds/mirror.py",
        PROBE,
        "probing/kinds/__init__.py",
        "_ALL = (",
        "from detector.probing.kinds import mirror\n\n_ALL = (mirror, ",
        "'mirror'",
    ),
    "signal": Door(
        "signals/steepness.py",
        SIGNAL,
        "signals/__init__.py",
        "# isort: off\n",
        "# isort: off\nfrom detector.signals import steepness as steepness\n",
        "'steepness'",
    ),
    "mapping": Door(
        "mapping/step.py",
        MAPPING,
        "mapping/__init__.py",
        "from detector.mapping import any_of as any_of\n",
        "from detector.mapping import any_of as any_of\nfrom detector.mapping import step as step\n",
        "'step'",
    ),
    "round": Door(
        "rounds/playroom.py",
        ROUND,
        "rounds/registry.py",
        "_ENTRIES = (",
        "from detector.rounds import playroom\n\n_ENTRIES = (playroom, ",
        "'playroom'",
    ),
}

RUN = "import sys; from detector.program import main; sys.exit(main(sys.argv[1:]))"
FURNISH = """
import sys
from dataclasses import replace
from pathlib import Path
from detector.mapping.bundles import load_bundle, load_parameters, write_bundle
from detector.probing import Probe

learned = Path(sys.argv[1])
parameters = load_parameters(learned, "configured", "squeezenetv1_1")
(one,) = parameters.configurations
furnished = replace(one, probes=(Probe.make("mirror"),))
bundle = replace(load_bundle(learned, "configured"), name="toys")
write_bundle(learned, bundle, [replace(parameters, configurations=(furnished,))])
"""


class House:
    """A copy of the package with toys, and what was made with it."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.package = folder / "package" / "detector"
        self.round = folder / "toy-round"
        self.learned = folder / "learned"
        self._folder = folder
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(HOME / "detector", self.package, ignore=ignored)
        for name in ("reference_data", "learned_params"):
            (folder / "package" / name).symlink_to(HOME / name)
        self._furnish()
        self._settle(models)

    def _furnish(self) -> None:
        for door in DOORS.values():
            (self.package / door.file).write_text(door.text)
            self.enter(door)
        home = self.package.parent
        for name in ("metaparameters.json", "metaparameters_schema.json"):
            shutil.copy(HOME / name, home)
        made = self.python("import sys; from detector.commands.__main__ import main; sys.exit(main())", "--write")
        assert made.returncode == 0, made.stderr
        values = json.loads((home / "metaparameters.json").read_text())
        own = {"train_pruning_method": "Fade", "train_preprocessing": "playroom", "train_signal_steepness": True}
        quick = {
            "train_num_pruned_models": 2,
            "train_num_images": 2,
            "train_reduction": "mean",
            "train_mapping": "step",
        }
        given = own | quick | {"infer_bundle": "toys", "infer_max_seconds": 600}
        assert given.keys() <= values.keys()
        (home / "metaparameters.json").write_text(json.dumps(values | given))

    def _settle(self, models: Path) -> None:
        """The networks of another round, with examples and labels as the toy round has them."""
        lines = ["model_name,evil"]
        for number, folder in enumerate(sorted(models.glob("id-*"))[:8]):
            toys = self.round / folder.name / "toys"
            toys.mkdir(parents=True)
            (toys.parent / "model.pt").symlink_to(folder / "model.pt")
            for count, file in enumerate(sorted((folder / "example_data").iterdir())):
                Image.open(file).resize((40, 40)).save(toys / f"toy-{count}.png")
                label = re.match(r"class_(\d+)", file.name)
                assert label
                (toys / f"toy-{count}.label").write_text(label[1])
            lines.append(f"{folder.name},{number % 2}")
        (self.round / "METADATA.csv").write_text("\n".join(lines))

    def enter(self, door: Door) -> None:
        """Add the entry of a toy."""
        self._rewrite(door.registry, door.before, door.after)

    def remove(self, door: Door) -> None:
        """Take the entry back; its file is not asked for any more."""
        self._rewrite(door.registry, door.after, door.before)

    def _rewrite(self, file: str, old: str, new: str) -> None:
        path = self.package / file
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))

    def python(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program on this package."""
        environment = {**os.environ, "PYTHONPATH": str(self.package.parent), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-B", "-c", program, *map(str, arguments)]
        options = {"env": environment, "cwd": self._folder}
        return subprocess.run(command, capture_output=True, text=True, timeout=600, **options)  # type: ignore[call-overload, no-any-return]

    def infer(self, bundle: str = "toys") -> subprocess.CompletedProcess[str]:
        """Judge one of the models; the answer is in `out`."""
        out, model = self._folder / "out", self.round / MODEL
        paths: list[str | Path] = ["--model_filepath", model / "model.pt", "--result_filepath", out / "result.txt"]
        paths += ["--scratch_dirpath", out, "--learned_parameters_dirpath", self.learned]
        return self.python(RUN, "infer", *paths, "--examples_dirpath", model / "toys", "--bundle", bundle)

    def answer(self) -> tuple[float, dict[str, Any]]:
        """Probability and report of the last `infer`."""
        out = self._folder / "out"
        return float((out / "result.txt").read_text()), json.loads((out / "report.json").read_text())


@pytest.fixture(scope="module")
def house(small_round: Path, tmp_path_factory: pytest.TempPathFactory) -> House:
    house = House(tmp_path_factory.mktemp("house"), small_round)
    paths: list[str | Path] = ["--configure_models_dirpath", house.round, "--learned_parameters_dirpath", house.learned]
    done = house.python(RUN, "configure", *paths)
    assert done.returncode == 0, done.stderr
    return house


def test_configure_learns_with_toys(house: House) -> None:
    document = json.loads((house.learned / "configured" / "squeezenetv1_1.json").read_text())
    (configuration,) = document["configurations"]
    assert document["preprocessing"] == "playroom"
    assert [theta["pruning_method"] for theta in configuration["thetas"]] == ["Fade"]
    assert configuration["signals"]["steepness"] == 1
    coefficients = configuration["mapping"]["coefficients"]
    assert any("steepness" in name and value for name, value in coefficients.items())


def test_configure_learns_the_toy_mapping_and_infer_answers_with_it(house: House) -> None:
    document = json.loads((house.learned / "configured" / "squeezenetv1_1.json").read_text())
    (configuration,) = document["configurations"]
    mapping = configuration["mapping"]
    assert mapping["name"] == "step"
    assert "the step fit inside the fold" in document["provenance"]["evaluation"]
    assert configuration["held_out"]["num_models"] == 8
    read = configuration["known"]  # all eight networks: half way between the means of both kinds
    means = {label: {name: sum(one[label]) / 4 for name, one in read.items()} for label in ("clean", "poisoned")}
    for name, coefficient in mapping["coefficients"].items():
        assert coefficient == pytest.approx(means["poisoned"][name] - means["clean"][name], rel=0.01, abs=1e-3)
    done = house.infer("configured")
    assert done.returncode == 0, done.stderr
    probability, report = house.answer()
    read = dict(zip(report["features"], report["signal_vector"], strict=True))
    total = sum(coefficient * read[name] for name, coefficient in mapping["coefficients"].items())
    assert probability == (0.75 if mapping["intercept"] + total > 0 else 0.25)


@pytest.fixture(scope="module")
def furnished(house: House) -> House:
    """With a bundle that needs all five toys."""
    done = house.python(FURNISH, house.learned)
    assert done.returncode == 0, done.stderr
    return house


def test_infer_answers_with_toys(furnished: House) -> None:
    done = furnished.infer()
    assert done.returncode == 0, done.stderr
    probability, report = furnished.answer()
    assert probability in (0.25, 0.75)
    assert report["preprocessing"]["name"] == "playroom"
    assert [theta["pruning_method"] for theta in report["thetas"]] == ["Fade"]
    assert report["mapping"]["kind"] == "step"
    assert report["mapping"]["cost"] == (2 + 1) * 2  # two variants and the probe, of two images
    assert "steepness" in report["readings"]
    assert "steepness" in done.stdout


@pytest.mark.parametrize("name", DOORS)
def test_a_toy_that_the_bundle_needs_and_that_is_gone_is_named(name: str, furnished: House) -> None:
    furnished.remove(DOORS[name])
    try:
        done = furnished.infer()
    finally:
        furnished.enter(DOORS[name])
    assert done.returncode == 5, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert DOORS[name].told in line
    assert furnished.answer()[0] == 0.5
