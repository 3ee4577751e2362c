"""Rounds by hand in the layout of every vintage: what is found, with which label, and why the rest is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from detector.base.errors import UsageError
from detector.rounds.reading import Round, read_round

Make = Callable[..., Path]


def labels(found: Round) -> dict[str, bool]:
    return {model.name: model.poisoned for model in found.models}


def reasons(found: Round) -> dict[str, str]:
    return {one.name: one.reason for one in found.left_out}


def test_round_1_below_models_with_one_character_as_ground_truth(make_member: Make, tmp_path: Path) -> None:
    root = tmp_path / "round1-dataset-train"
    for number, label in ((0, "0"), (1, "1"), (184, "1"), (83, "1")):
        make_member(root / "models" / f"id-{number:08d}", files={"ground_truth.csv": label})
    (root / "METADATA.csv").write_text(
        "model_name,ground_truth,model_architecture\nid-00000000,FALSE,resnet50\nid-00000001,TRUE,resnet50\n"
    )
    found = read_round(root)
    assert found.name == "round1-dataset-train"
    assert labels(found) == {
        "models/id-00000000": False,
        "models/id-00000001": True,
        "models/id-00000083": True,  # an erratum of the test set only
    }
    assert list(reasons(found)) == ["models/id-00000184"]
    assert "erratum" in reasons(found)["models/id-00000184"]


@pytest.mark.parametrize(
    ("root", "metadata", "excluded"),
    [
        ("round1-test-dataset", None, {77}),
        ("image-classification-jun2020-train", None, {184}),
        ("round1-holdout-dataset", None, set()),
        ("round2-train-dataset", None, set()),
        ("round10-train-dataset", None, set()),
        ("round2-train-dataset", "ground_truth", set()),
        ("data", None, set()),
        ("data", "ground_truth", {184}),
        ("data", "poisoned", set()),
    ],
)
def test_errata_are_left_out_of_round_1_alone(
    root: str, metadata: str | None, excluded: set[int], make_member: Make, tmp_path: Path
) -> None:
    for number in (77, 184):
        make_member(tmp_path / root / f"id-{number:08d}", files={"ground_truth.csv": "1"})
    if metadata:
        (tmp_path / root / "METADATA.csv").write_text(f"model_name,{metadata}\n")
    assert set(reasons(read_round(tmp_path / root))) == {f"id-{number:08d}" for number in excluded}


@pytest.mark.parametrize("examples", ["example_data", "clean_example_data", "clean-example-data"])
def test_rounds_2_to_4(examples: str, make_member: Make, tmp_path: Path) -> None:
    make_member(tmp_path / "id-00000003", examples, {"ground_truth.csv": "1", "config.json": '{"py/object": "os"}'})
    make_member(tmp_path / "id-00000001", examples, {"ground_truth.csv": "0"})
    (tmp_path / "METADATA.csv").write_text(
        "model_name,poisoned,master_seed\nid-00000003,True,1\nid-00000001,False,2\nid-00000002,True,3\n"
    )
    found = read_round(tmp_path)
    assert labels(found) == {"id-00000001": False, "id-00000003": True}
    assert found.left_out == ()
    assert found.models[1].model_filepath == tmp_path / "id-00000003" / "model.pt"
    assert found.models[1].examples_dirpath == tmp_path / "id-00000003" / examples


@pytest.mark.parametrize(
    ("text", "poisoned"),
    [("1", True), ("0", False), ("True", True), ("False", False), ("TRUE", True), ("FALSE", False), (" 1\n", True)],
)
def test_every_spelling_of_a_label(text: str, poisoned: bool, make_member: Make, tmp_path: Path) -> None:
    make_member(tmp_path / "a" / "id-00000000", files={"ground_truth.csv": text})
    make_member(tmp_path / "b" / "id-00000000")
    (tmp_path / "b" / "METADATA.csv").write_text(f'\ufeffx,Poisoned,model_name\n"a, b",{text.strip()},id-00000000\n')
    assert labels(read_round(tmp_path)) == {"a/id-00000000": poisoned, "b/id-00000000": poisoned}


def test_broken_members_are_listed_and_stop_nothing(make_member: Make, tmp_path: Path) -> None:
    good = {"ground_truth.csv": "1"}
    make_member(tmp_path / "id-00000000", files=good)
    make_member(tmp_path / "id-00000001", files={"ground_truth.csv": "0"})  # METADATA.csv says otherwise
    make_member(tmp_path / "id-00000002")
    make_member(tmp_path / "id-00000003", files={"ground_truth.csv": "maybe"})
    make_member(tmp_path / "id-00000004", examples=None, files=good)
    (make_member(tmp_path / "id-00000005", files=good) / "model.pt").unlink()
    make_member(tmp_path / "id-00000006", files=good)  # METADATA.csv: None
    make_member(tmp_path / "id-00000007").joinpath("ground_truth.csv").write_bytes(b"\xff\xfe")
    (tmp_path / "METADATA.csv").write_text(
        "model_name,poisoned\nid-00000000,True\nid-00000001,True\nid-00000006,None\nshort\n"
    )
    found = read_round(tmp_path)
    assert labels(found) == {"id-00000000": True}
    expected = {
        1: "METADATA.csv says 1, ground_truth.csv says 0",
        2: "no label",
        3: "ground_truth.csv holds 'maybe'",
        4: "no folder of clean examples",
        5: "no model.pt",
        6: "METADATA.csv holds 'None'",
        7: "ground_truth.csv cannot be read",
    }
    assert len(found.left_out) == len(expected)
    for number, reason in expected.items():
        assert reason in reasons(found)[f"id-{number:08d}"]


def test_models_that_did_not_converge_are_left_out(make_member: Make, tmp_path: Path) -> None:
    for number, converged in enumerate(("true", "false", "1")):
        statistics = f'{{"converged": {converged}, "final_train_loss": 0.5}}'
        files = {"ground_truth.csv": "1", "model_stats.json": statistics}
        make_member(tmp_path / f"id-{number:08d}", files=files)
    found = read_round(tmp_path)
    assert set(labels(found)) == {"id-00000000", "id-00000002"}
    assert reasons(found) == {"id-00000001": "its training did not converge"}


@pytest.mark.parametrize(
    ("text", "history"),
    [
        ('{"a": 1, "b": 0.5, "c": null, "d": "7", "e": true, "f": [1], "g": NaN}', {"a": 1.0, "b": 0.5, "e": 1.0}),
        (f'{{"a": 1{"0" * 400}, "b": 2}}', {"b": 2.0}),
        ("[1, 2]", {}),
        ("{", {}),
        ("[" * 100_000, {}),
        ("\x00", {}),
    ],
)
def test_the_finite_numbers_of_training_are_kept(
    text: str, history: dict[str, float], make_member: Make, tmp_path: Path
) -> None:
    make_member(tmp_path / "id-00000000", files={"ground_truth.csv": "1", "model_stats.json": text})
    (model,) = read_round(tmp_path).models
    assert model.history == history


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"", b"\xff\xfe\x00", b"model_name,poisoned\n\x00"])
def test_a_broken_metadata_is_told_and_ground_truth_used(content: bytes, make_member: Make, tmp_path: Path) -> None:
    make_member(tmp_path / "id-00000000", files={"ground_truth.csv": "1"})
    (tmp_path / "METADATA.csv").write_bytes(content)
    found = read_round(tmp_path)
    assert labels(found) == {"id-00000000": True}
    assert set(reasons(found)) <= {"METADATA.csv"}
    assert bool(found.left_out) == (b"poisoned" not in content)


def test_what_is_no_model_folder_is_not_looked_at(make_member: Make, tmp_path: Path) -> None:
    for name in ("id-1", "id-000000001", ".unfinished-id-00000001", "a/b/id-00000001", "id-00000002/id-00000003"):
        make_member(tmp_path / name, files={"ground_truth.csv": "1"})
    (tmp_path / "id-00000004").write_text("a file")
    found = read_round(tmp_path)
    assert labels(found) == {}
    assert list(reasons(found)) == ["id-00000002"]  # which has no model itself


@pytest.mark.parametrize("place", ["none", "file"])
def test_a_folder_that_is_none(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be read"):
        read_round(tmp_path / place)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_labels_from_windows(encoding: str, separator: str, make_member: Make, tmp_path: Path) -> None:
    for number in range(4):
        folder = make_member(tmp_path / f"id-{number:08d}")
        (folder / "ground_truth.csv").write_bytes(f"{number % 2}\r\n".encode(encoding))
    rows = ["model_name;poisoned", *(f"id-{number:08d};{('FALSE', 'TRUE')[number % 2]}" for number in range(4))]
    (tmp_path / "METADATA.csv").write_bytes("\r\n".join(rows).replace(";", separator).encode(encoding))
    found = read_round(tmp_path)
    assert labels(found) == {f"id-{number:08d}": bool(number % 2) for number in range(4)}
    assert found.left_out == ()


def test_a_model_of_two_rows_that_disagree_is_left_out(make_member: Make, tmp_path: Path) -> None:
    for number in range(2):
        make_member(tmp_path / f"id-{number:08d}")
    (tmp_path / "METADATA.csv").write_text(
        "model_name,poisoned\nid-00000000,1\nid-00000000,0\nid-00000001,1\nid-00000001,True\n"
    )
    found = read_round(tmp_path)
    assert labels(found) == {"id-00000001": True}
    assert "METADATA.csv says 1, METADATA.csv says 0" in reasons(found)["id-00000000"]


def test_round_11(make_member: Make, tmp_path: Path) -> None:
    root = tmp_path / "image-classification-sep2022-train"
    for number, label in ((184, "1"), (599, "0")):  # in Round 1 these are errata
        make_member(root / "models" / f"id-{number:08d}", "clean-example-data", {"ground_truth.csv": label})
    assert labels(read_round(root)) == {"models/id-00000184": True, "models/id-00000599": False}


@pytest.mark.hostile
@pytest.mark.parametrize("file", ["ground_truth.csv", "model_stats.json", "METADATA.csv"])
@pytest.mark.parametrize("kind", ["fifo", "device", "sparse"])
def test_files_that_never_end_stop_nothing(kind: str, file: str, make_member: Make, tmp_path: Path) -> None:
    make_member(tmp_path / "id-00000001", files={"ground_truth.csv": "1"})
    folder = make_member(tmp_path / "id-00000000", files={"ground_truth.csv": "0"})
    path = (tmp_path if file == "METADATA.csv" else folder) / file
    path.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.touch()
        os.truncate(path, 3 * 2**30)
    found = read_round(tmp_path)
    assert labels(found)["id-00000001"]
    if file == "model_stats.json":
        assert found.left_out == ()
    else:
        (reason,) = reasons(found).values()
        assert "cannot be read" in reason


@pytest.mark.parametrize("names", [("model-1", "model-2"), ("id-1",), ("a/run_1", "a/run_2"), ("id_00000000",)])
def test_a_round_whose_folders_are_named_otherwise_is_told_as_that(
    names: tuple[str, ...], make_member: Make, tmp_path: Path
) -> None:
    for name in names:
        make_member(tmp_path / name)
    with pytest.raises(UsageError, match=f"no folder is named id- and eight digits.* {names[0]}") as caught:
        read_round(tmp_path)
    assert "rename" in caught.value.next_step


def test_folders_that_are_named_otherwise_are_listed_beside_the_others(make_member: Make, tmp_path: Path) -> None:
    make_member(tmp_path / "id-00000000", files={"ground_truth.csv": "1"})
    make_member(tmp_path / "extra")
    make_member(tmp_path / ".hidden")
    (tmp_path / "notes").mkdir()
    found = read_round(tmp_path)
    assert labels(found) == {"id-00000000": True}
    assert [one.name for one in found.misnamed] == ["extra"]


def test_the_folder_of_one_model_is_told_as_that(make_member: Make, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"folder of one model.*the folder that it lies in"):
        read_round(make_member(tmp_path / "model"))
