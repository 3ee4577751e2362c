"""Bundles on disk: strict reading, whole-or-not-at-all writing."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detector.base.errors import ExitCode, ParametersError
from detector.base.registry import Registry
from detector.mapping.bundles import Bundle, load_bundle, load_parameters, write_bundle
from detector.mapping.configuration import Clip, Configuration, Figures
from detector.mapping.linear import Linear
from detector.mapping.parameters import LearnedParameters, Provenance, to_document
from detector.mapping.port import MAPPINGS
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, Theta
from detector.rounds.preprocessing import PROFILES
from detector.signals.features import Reduction
from detector.signals.registry import SIGNALS
from tests.mapping.format_3 import format_3_document

BUNDLE = Bundle("mine", "3", "For the tests.", 0.5)


def _parameters(architecture: str, intercept: float = 0.25) -> LearnedParameters:
    theta = Theta(PruningMethod.RESET, SamplingMethod.TARGETED, RankingMethod.L1, 0.1, 2, 10)
    configuration = Configuration.of(
        (theta,),
        ("accuracy",),
        Reduction.VARIANTS,
        "linear",
        intercept,
        (0.5, -0.5),
        None,
        Figures(9, 0.1, 0.2),
    )
    provenance = Provenance("round2", 9, 4, "none", "tests")
    return LearnedParameters(architecture, PROFILES["round2"], 0.44, Clip(), (configuration,), provenance)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_bundle(tmp_path, BUNDLE, [_parameters("resnet18"), _parameters("vgg19bn", 0.75)])
    return tmp_path


def test_what_was_written_is_read(directory: Path) -> None:
    assert load_bundle(directory, "mine") == BUNDLE
    assert load_parameters(directory, "mine", "resnet18") == _parameters("resnet18")
    assert load_parameters(directory, "mine", "vgg19bn") == _parameters("vgg19bn", 0.75)
    assert [entry.name for entry in directory.iterdir()] == ["mine"]


def test_an_architecture_without_parameters_is_no_error(directory: Path) -> None:
    assert load_parameters(directory, "mine", "resnet50") is None


def test_one_bundle_mounted_by_itself(directory: Path) -> None:
    assert load_bundle(directory / "mine", "whatever") == BUNDLE
    assert load_parameters(directory / "mine", "whatever", "resnet18") == _parameters("resnet18")


def test_a_missing_bundle_names_those_there(directory: Path) -> None:
    with pytest.raises(ParametersError, match="mine") as caught:
        load_bundle(directory, "theirs")
    assert caught.value.exit_code is ExitCode.PARAMETERS_INVALID
    with pytest.raises(ParametersError, match="no bundle"):
        load_parameters(directory / "nowhere", "mine", "resnet18")


@pytest.mark.hostile
@pytest.mark.parametrize("name", ["../mine", "/etc", "", ".", "..", "MINE", "a/b", "x" * 65, "mine\n"])
def test_bundle_names_cannot_leave_the_directory(directory: Path, name: str) -> None:
    with pytest.raises(ParametersError, match="no bundle name"):
        load_bundle(directory, name)


@pytest.mark.hostile
def test_architectures_cannot_leave_the_bundle(directory: Path) -> None:
    with pytest.raises(ParametersError, match="no architecture"):
        load_parameters(directory, "mine", "../mine/resnet18")


def _set(document: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = [int(key) if key.isdigit() else key for key in path.split("/")]
    for key in parents:
        document = document[key]  # type: ignore[index]
    document[last] = value  # type: ignore[index]


SHARED_SLIPS = [
    ("format_version", 1), ("architecture", "resnet34"), ("architecture", 5), ("preprocessing", "round9"),
    ("base_rate", -0.1), ("base_rate", "0.5"), ("clip", [0.9, 0.1]), ("clip", [0.1]), ("clip", [0, 2]),
    ("configurations", []), ("extra", 1), ("configurations/0/extra", 1), ("configurations/0/cost", 21),
    ("configurations/0/thetas/0/gain", 0), ("configurations/0/thetas/0/layers", "last"),
    ("configurations/0/thetas/0/num_pruned_models", 1), ("configurations/0/thetas/0/num_pruned_models", 5),
    ("configurations/0/thetas/0/num_pruned_models", 0), ("configurations/0/thetas/0/num_images", 10**12),
    ("configurations/0/thetas/0/p", 0), ("configurations/0/thetas/0/p", 1), ("configurations/0/thetas/0/trim_k", 0),
    ("configurations/0/thetas/0/rule", "mine"), ("configurations/0/thetas/0/pruning_method", "reset"),
    ("configurations/0/in_sample/error_rate", 10), ("configurations/0/held_out", {}), ("provenance", {}),
    ("provenance/num_models", 0), ("provenance/notes", "note"), ("provenance/evaluation", ""),
]  # fmt: skip
SLIPS_OF_FORMAT_3 = [
    *SHARED_SLIPS,
    ("configurations/0/coefficients", [1.0]),
    ("configurations/0/coefficients", [1.0, 2.0, 3.0]), ("configurations/0/coefficients/0", "1"),
    ("configurations/0/coefficients/0", None), ("configurations/0/coefficients/0", 1e300),
    ("configurations/0/intercept", True), ("configurations/0/signals", ["loss"]),
    ("configurations/0/signals", []), ("configurations/0/signals", ["accuracy"] * 2),
    ("configurations/0/signals", ["accuracy", "margin"]), ("configurations/0/reduction", "median"),
    ("configurations/0/reduction", "summary"), ("configurations/0/kind", "forest"),
]  # fmt: skip
INVALID_FIELDS = [
    *SHARED_SLIPS,
    ("configurations/0/mapping/coefficients", {"accuracy_00": 1.0}),
    ("configurations/0/mapping/coefficients/accuracy_02", 1.0), ("configurations/0/mapping/coefficients", [1.0, 2.0]),
    ("configurations/0/mapping/coefficients/accuracy_00", "1"),
    ("configurations/0/mapping/coefficients/accuracy_00", None),
    ("configurations/0/mapping/coefficients/accuracy_00", 1e300), ("configurations/0/mapping/intercept", True),
    ("configurations/0/mapping/slope", 1.0), ("configurations/0/mapping", {}),
    ("configurations/0/mapping/name", "forest"),
    ("configurations/0/mapping/version", 2), ("configurations/0/signals", {"loss": 1}),
    ("configurations/0/signals", {}),
    ("configurations/0/signals", {"accuracy": 2}), ("configurations/0/signals/margin", 1),
    ("configurations/0/features", []), ("configurations/0/features/0/signal", "loss"),
    ("configurations/0/features/0/signal", "unpruned"), ("configurations/0/features/0/signal", "margin"),
    ("configurations/0/features/0/name", "accuracy_01"), ("configurations/0/features/0/of", "median"),
    ("configurations/0/features/0/of", 2), ("configurations/0/features/0/of", -1),
    ("configurations/0/features/0/theta", 1), ("configurations/0/features/0/number", "x"),
    ("configurations/0/images/num_images", 11), ("configurations/0/images/rule", "nist"),
    ("configurations/0/images/rule", "mine"), ("configurations/0/probes", [{}]),
    ("configurations/0/probes", [{"kind": "smell", "version": 1, "parameters": {}}]),
    ("configurations/0/experience", {"margin_00": [0, 1]}), ("configurations/0/experience", {"accuracy_00": [1, 0]}),
    ("configurations/0/experience", {"accuracy_00": [0]}),
]  # fmt: skip
_CASES = [(to_document, *slip) for slip in INVALID_FIELDS] + [(format_3_document, *slip) for slip in SLIPS_OF_FORMAT_3]


@pytest.mark.parametrize(("form", "path", "value"), _CASES, ids=[f"{f.__name__} {p}={v!r}" for f, p, v in _CASES])
def test_every_slip_in_a_field_is_told(
    directory: Path, form: Callable[[LearnedParameters], dict[str, Any]], path: str, value: Any
) -> None:
    document = form(_parameters("resnet18"))
    _set(document, path, value)
    file = directory / "mine" / "resnet18.json"
    file.write_text(json.dumps(document))
    with pytest.raises(ParametersError, match=re.escape(str(file))):
        load_parameters(directory, "mine", "resnet18")


@pytest.mark.parametrize("form", [to_document, format_3_document])
def test_this_format_and_the_one_before_are_read(
    directory: Path, form: Callable[[LearnedParameters], dict[str, Any]]
) -> None:
    (directory / "mine" / "resnet18.json").write_text(json.dumps(form(_parameters("resnet18"))))
    assert load_parameters(directory, "mine", "resnet18") == _parameters("resnet18")


@pytest.mark.parametrize(
    ("registry", "name", "told"),
    [
        (SIGNALS, "accuracy", "no signal is called 'accuracy'"),
        (MAPPINGS, "linear", "no mapping is called 'linear'"),
    ],
)
def test_what_a_bundle_needs_and_is_not_known_is_named(
    directory: Path, registry: Registry[Any], name: str, told: str
) -> None:
    with registry.without_entry(name), pytest.raises(ParametersError, match=told) as caught:
        load_parameters(directory, "mine", "resnet18")
    assert caught.value.where.endswith("resnet18.json")


@pytest.mark.parametrize("key", sorted(to_document(_parameters("resnet18"))))
def test_every_field_is_required(directory: Path, key: str) -> None:
    document = to_document(_parameters("resnet18"))
    del document[key]
    (directory / "mine" / "resnet18.json").write_text(json.dumps(document))
    with pytest.raises(ParametersError, match=key):
        load_parameters(directory, "mine", "resnet18")


def _edited(pattern: str, replacement: str) -> Callable[[str], bytes]:
    def edit(text: str) -> bytes:
        changed, count = re.subn(pattern, replacement, text, count=1)
        assert count == 1
        return changed.encode()

    return edit


BROKEN_FILES: dict[str, Callable[[str], bytes]] = {
    "NaN": _edited(r'"intercept": 0.25', '"intercept": NaN'),
    "Infinity": _edited(r'"intercept": 0.25', '"intercept": -Infinity'),
    "infinite by exponent": _edited(r'"intercept": 0.25', '"intercept": 1e999'),
    "NaN in a figure": _edited(r'"cross_entropy": 0.2', '"cross_entropy": NaN'),
    "infinity in a figure": _edited(r'"cross_entropy": 0.2', '"cross_entropy": 1e999'),
    "endless integer": _edited(r'"intercept": 0.25', '"intercept": ' + "9" * 5000),
    "repeated key": _edited(r'"base_rate": 0.44', '"base_rate": 0.44, "base_rate": 0.45'),
    "not UTF-8": lambda text: text.replace("tests", "t\u00e9sts").encode("latin-1"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "truncated": lambda text: text.encode()[:-20],
    "two documents": lambda text: (text + text).encode(),
    "deep nesting": lambda text: b"[" * 200_000,
    "a list": lambda text: b"[]",
    "empty": lambda text: b"",
    "huge": lambda text: text.encode() + b" " * 2**20,
    "too many wrong numbers": _edited(r'"thetas": \[', '"thetas": [' + '"a", ' * 100_000),
    "too many right numbers": _edited(r'"thetas": \[', '"thetas": [' + "1, " * 300_000),
    "a pickle": lambda text: b"\x80\x04cos\nsystem\n(S'true'\ntR.",
}


@pytest.mark.hostile
@pytest.mark.parametrize("kind", BROKEN_FILES)
def test_broken_files_are_refused(directory: Path, kind: str) -> None:
    file = directory / "mine" / "resnet18.json"
    file.write_bytes(BROKEN_FILES[kind](file.read_text()))
    with pytest.raises(ParametersError, match=re.escape(str(file))):
        load_parameters(directory, "mine", "resnet18")


def test_a_directory_in_place_of_a_file(directory: Path) -> None:
    (directory / "mine" / "resnet50.json").mkdir()
    with pytest.raises(ParametersError, match="cannot be read"):
        load_parameters(directory, "mine", "resnet50")


def test_a_dangling_link_is_not_an_absent_file(directory: Path) -> None:
    (directory / "mine" / "resnet50.json").symlink_to("nowhere")
    with pytest.raises(ParametersError, match="cannot be read"):
        load_parameters(directory, "mine", "resnet50")


def test_integers_may_be_written_with_a_point(directory: Path) -> None:
    file = directory / "mine" / "resnet18.json"
    file.write_text(file.read_text().replace('"num_pruned_models": 2', '"num_pruned_models": 2.0'))
    parameters = load_parameters(directory, "mine", "resnet18")
    assert parameters is not None
    assert isinstance(parameters.configurations[0].thetas[0].num_pruned_models, int)


# --- writing


@pytest.mark.parametrize(
    "change", [{"name": "../mine"}, {"name": "Mine"}, {"version": ""}, {"description": ""}, {"base_rate": 2.0}]
)
def test_a_bundle_that_could_not_be_read_is_not_written(directory: Path, change: dict[str, Any]) -> None:
    before = _snapshot(directory.parent)
    with pytest.raises(ParametersError):
        write_bundle(directory, dataclasses.replace(BUNDLE, **change), [])
    assert _snapshot(directory.parent) == before


def test_a_new_bundle_replaces_the_whole_old_one(directory: Path) -> None:
    write_bundle(directory, dataclasses.replace(BUNDLE, version="4"), [_parameters("googlenet")])
    assert load_bundle(directory, "mine").version == "4"
    assert load_parameters(directory, "mine", "resnet18") is None
    assert load_parameters(directory, "mine", "googlenet") is not None
    assert [entry.name for entry in directory.iterdir()] == ["mine"]


def _snapshot(directory: Path) -> dict[str, bytes]:
    return {str(file.relative_to(directory)): file.read_bytes() for file in directory.rglob("*") if file.is_file()}


@pytest.mark.parametrize("failing", ["write", "read back", "second rename"])
def test_the_old_bundle_survives_a_failure(directory: Path, failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _snapshot(directory)
    parameters = _parameters("googlenet")
    if failing == "write":
        monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    elif failing == "read back":  # the dataclass allows it, its reader does not
        (configuration,) = parameters.configurations
        huge = Linear.of(1e300, configuration.features, (0.5, -0.5))
        parameters = dataclasses.replace(parameters, configurations=(dataclasses.replace(configuration, mapping=huge),))
    else:
        rename = Path.rename

        def refuse(self: Path, target: Path) -> Path:
            if ".tmp" in str(self):
                raise OSError(18, "Invalid cross-device link")
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(ParametersError):
        write_bundle(directory, BUNDLE, [parameters])
    monkeypatch.undo()
    assert _snapshot(directory) == before
    assert [entry.name for entry in directory.iterdir()] == ["mine"]


def test_a_read_only_directory(directory: Path) -> None:
    directory.chmod(0o555)
    if os.access(directory, os.W_OK):
        pytest.skip("this user may write anywhere")
    with pytest.raises(ParametersError, match="cannot be written"):
        write_bundle(directory, BUNDLE, [_parameters("googlenet")])


def test_a_file_in_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "learned_params").touch()
    with pytest.raises(ParametersError, match="cannot be written"):
        write_bundle(tmp_path / "learned_params", BUNDLE, [])


_WRITER = """
import sys
from pathlib import Path
from detector.mapping.bundles import load_bundle, load_parameters, write_bundle
source, target = Path(sys.argv[1]), Path(sys.argv[2])
bundle, parameters = load_bundle(source, "mine"), load_parameters(source, "mine", "resnet18")
print("ready", flush=True)
while True:
    write_bundle(target, bundle, [parameters])
"""


def test_a_killed_writer_leaves_a_whole_bundle(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("target")
    expected = _parameters("resnet18")
    for attempt in range(5):
        arguments = [sys.executable, "-c", _WRITER, str(directory), str(target)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            while not (target / "mine").exists() and writer.poll() is None:
                time.sleep(0.005)
            time.sleep(0.02 + 0.013 * attempt)
            writer.kill()
        assert load_parameters(target, "mine", "resnet18") == expected


def test_a_kill_between_the_two_renames(directory: Path) -> None:
    """The old bundle is read from where it stepped aside, and the next writer clears it away."""
    (directory / "mine").rename(directory / ".mine.old")
    assert load_bundle(directory, "mine") == BUNDLE
    assert load_parameters(directory, "mine", "vgg19bn") == _parameters("vgg19bn", 0.75)
    write_bundle(directory, dataclasses.replace(BUNDLE, version="4"), [])
    assert load_bundle(directory, "mine").version == "4"
    assert [entry.name for entry in directory.iterdir()] == ["mine"]
