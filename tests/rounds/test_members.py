"""Folders of models to be judged: labels and facts where there are any, and every model whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from detector.base.errors import UsageError
from detector.rounds.facts import Facts, read_facts
from detector.rounds.reading import read_members

Make = Callable[..., Path]


def test_usable_or_not_every_model_is_a_member(make_member: Make, tmp_path: Path) -> None:
    make_member(tmp_path / "id-00000000", files={"ground_truth.csv": "1"})
    make_member(tmp_path / "id-00000001", examples=None, files={"ground_truth.csv": "0"})
    (tmp_path / "id-00000002").mkdir()
    make_member(tmp_path / "id-00000003", "clean-example-data", {"ground_truth.csv": "perhaps"})
    make_member(tmp_path / "model-4")
    found = read_members(tmp_path)
    assert [member.name for member in found.members] == [f"id-0000000{number}" for number in range(4)]
    assert [member.poisoned for member in found.members] == [True, False, None, None]
    assert [(member.remark or "")[:8] for member in found.members] == ["", "", "no label", "ground_t"]
    assert found.members[3].examples_dirpath == tmp_path / "id-00000003" / "clean-example-data"
    assert [one.name for one in found.misnamed] == ["model-4"]


def test_an_erratum_has_no_truth(make_member: Make, tmp_path: Path) -> None:
    root = tmp_path / "round1-dataset-train"
    make_member(root / "models" / "id-00000184", files={"ground_truth.csv": "1"})
    (member,) = read_members(root).members
    assert (member.name, member.poisoned) == ("models/id-00000184", None)
    assert member.remark is not None and "erratum" in member.remark


def test_a_folder_without_models_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="id- and eight digits"):
        read_members(tmp_path)


def test_facts_of_rounds_2_and_4(make_member: Make, tmp_path: Path) -> None:
    make_member(tmp_path / "id-00000000")
    table = tmp_path / "METADATA.csv"
    table.write_text(
        "model_name,poisoned,model_architecture,number_classes,number_triggered_classes,trigger_type\n"
        "id-00000000,True,resnet18,5,5,polygon\n"
        "id-00000001,True,vgg11bn,5,2,instagram\n"
        "id-00000002,False,vgg11bn,5,0,None\n"
    )
    assert read_members(tmp_path).members[0].facts == Facts("resnet18", "polygon", "all")
    assert read_facts(table) == {
        "id-00000000": Facts("resnet18", "polygon", "all"),
        "id-00000001": Facts("vgg11bn", "instagram", "2"),
        "id-00000002": Facts("vgg11bn", None, None),
    }
    table.write_text(
        "model_name;triggers_0_type;triggers_0_type_level;triggers_0_source_class;triggers_1_type;triggers_1_source_class\n"
        "id-00000000;polygon;0;3;instagram;7\n"
        "id-00000001;polygon;0;3;None;None\n"
        "id-00000002\n"
    )
    assert read_facts(table) == {
        "id-00000000": Facts(None, "instagram+polygon", "2"),
        "id-00000001": Facts(None, "polygon", "1"),
        "id-00000002": Facts(),
    }


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n1,2\n", b"model_name\n" + b"x\n" * 100_001])
def test_what_is_no_table_has_no_facts(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "METADATA.csv").write_bytes(content)
    assert read_facts(tmp_path / "METADATA.csv") == {}
    assert read_facts(tmp_path / "absent.csv") == {}
