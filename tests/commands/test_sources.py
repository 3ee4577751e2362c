"""Which metaparameters and which bundle a detection uses, from what is given and what lies there."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from detector.base.errors import ParametersError
from detector.commands.cli import InferCommand, parse
from detector.commands.settings import Settings, load_settings
from detector.commands.sources import bundle_of, metaparameters_of

HOME = Path(__file__).resolve().parents[2]
SETTINGS = load_settings(HOME / "metaparameters.json", HOME / "metaparameters_schema.json")
FOUR = ["--model_filepath", "m", "--result_filepath", "r", "--scratch_dirpath", "s"]


def infer(*words: str | Path) -> InferCommand:
    command = parse([*FOUR, *map(str, words)], HOME)
    assert isinstance(command, InferCommand)
    return command


@pytest.fixture
def learned(tmp_path: Path) -> Path:
    """A directory with one bundle, which has a name of its own."""
    shutil.copytree(HOME / "learned_params" / "small", tmp_path / "learned" / "mine")
    return tmp_path / "learned"


def named(settings: Settings, bundle: str) -> Settings:
    return dataclasses.replace(settings, bundle=bundle)


def test_the_shipped_ones_are_the_default() -> None:
    assert metaparameters_of(infer()) == HOME / "metaparameters.json"
    assert bundle_of(infer(), SETTINGS) == (HOME / "learned_params", SETTINGS)


def test_metaparameters_beside_the_bundles_are_used_unless_others_are_given(learned: Path) -> None:
    words = ["--learned_parameters_dirpath", str(learned)]
    assert metaparameters_of(infer(*words)) == HOME / "metaparameters.json"
    (learned / "metaparameters.json").touch()
    assert metaparameters_of(infer(*words)) == learned / "metaparameters.json"
    assert metaparameters_of(infer(*words, "--metaparameters_filepath", "other.json")) == Path("other.json")


def test_the_only_bundle_is_used_where_the_named_one_is_not_there(learned: Path) -> None:
    command = infer("--learned_parameters_dirpath", learned)
    assert bundle_of(command, SETTINGS) == (learned, named(SETTINGS, "mine"))
    shutil.copytree(learned / "mine", learned / "another")
    assert bundle_of(command, SETTINGS) == (learned, SETTINGS)  # which of them is for the caller to say
    shutil.copytree(learned / "mine", learned / SETTINGS.bundle)
    assert bundle_of(command, SETTINGS) == (learned, SETTINGS)


def test_a_bundle_by_name_or_path(learned: Path) -> None:
    assert bundle_of(infer("--bundle", "small"), SETTINGS) == (HOME / "learned_params", named(SETTINGS, "small"))
    assert bundle_of(infer("--bundle", learned / "mine"), SETTINGS) == (learned / "mine", named(SETTINGS, "mine"))
    with pytest.raises(ParametersError, match="no bundle is there"):
        bundle_of(infer("--bundle", learned / "gone"), SETTINGS)
