"""The folder of an evaluation: whose answers belong together, and how shards come together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from detector.base.errors import UsageError
from detector.rounds.reading import LeftOut
from detector.scoring.answers import Answer, read_answers
from detector.scoring.folder import EvaluationFolder, Shard
from detector.scoring.metrics import round_metrics
from detector.scoring.terms import Terms

TERMS = Terms("round2", "universal", "0" * 64, 60.0, "learned", 0.99, "0.1.0")
FIRST = Answer("id-00000000", truth=True, probability=0.9, exit_code=0)
SECOND = Answer("id-00000001", truth=False, probability=0.2, exit_code=0)
FAULT = Answer("id-00000001", exit_code=1, error="internal fault")


def test_answers_are_there_after_a_kill(tmp_path: Path) -> None:
    folder = EvaluationFolder(tmp_path / "out")
    assert folder.begin(TERMS) == {}
    folder.add(FIRST)
    with (tmp_path / "out" / "results.csv").open("a") as file:
        file.write("id-00000001,,1,0.")  # the kill
    again = EvaluationFolder(tmp_path / "out")
    assert again.begin(TERMS) == {"id-00000000": FIRST}
    again.add(SECOND)
    assert read_answers(tmp_path / "out" / "results.csv") == (FIRST, SECOND)


@pytest.mark.parametrize("change", [{"round": "round3"}, {"seconds": 30.0}, {"bundle_sha256": "1" * 64}])
def test_answers_of_other_terms_are_refused(change: dict[str, object], tmp_path: Path) -> None:
    folder = EvaluationFolder(tmp_path)
    folder.begin(TERMS)
    folder.add(FIRST)
    with pytest.raises(UsageError, match=f"differs in {next(iter(change))}"):
        EvaluationFolder(tmp_path).begin(replace(TERMS, **change))  # type: ignore[arg-type]
    assert read_answers(tmp_path / "results.csv") == (FIRST,)


def test_both_values_of_other_terms_are_told(tmp_path: Path) -> None:
    EvaluationFolder(tmp_path).begin(TERMS)
    with pytest.raises(UsageError) as told:
        EvaluationFolder(tmp_path).begin(replace(TERMS, seconds=30.0, bundle_sha256="1" * 64))
    assert "seconds (60.0 there, 30.0 asked for)" in str(told.value)
    assert f"bundle_sha256 ({'0' * 40}... there, {'1' * 40}... asked for)" in str(told.value)


def test_shards_come_together_and_a_fault_gives_way(tmp_path: Path) -> None:
    for shard, answer in ((Shard(1, 2), FIRST), (Shard(2, 2), FAULT)):
        folder = EvaluationFolder(tmp_path, shard)
        folder.begin(TERMS)
        folder.add(answer)
    whole = EvaluationFolder(tmp_path)
    assert whole.answers() == {"id-00000000": FIRST, "id-00000001": FAULT}
    assert not (tmp_path / "results.csv").exists()
    whole.begin(TERMS)
    whole.add(SECOND)
    assert whole.answers() == {"id-00000000": FIRST, "id-00000001": SECOND}


def test_what_is_left_at_the_end(tmp_path: Path) -> None:
    folder = EvaluationFolder(tmp_path)
    folder.begin(TERMS)
    answers = (SECOND, FIRST, Answer("id-00000002", truth=True))
    folder.finish(answers, round_metrics(answers), [LeftOut("model-3", "misnamed")])
    assert read_answers(tmp_path / "results.csv") == (FIRST, SECOND)  # the third one can still be judged
    document = json.loads((tmp_path / "metrics.json").read_text())
    assert document["num_cheaper"] == 0
    assert document["scores"]["num_models"] == 3
    assert document["missing"] == ["id-00000002"]
    assert document["remarks"] == [{"name": "model-3", "reason": "misnamed"}]
    assert EvaluationFolder(tmp_path).terms() == TERMS


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"round": 3}'])
def test_terms_that_cannot_be_read_are_told(content: str, tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").write_text(content)
    with pytest.raises(UsageError):
        EvaluationFolder(tmp_path).begin(TERMS)
    with pytest.raises(UsageError, match=r"no evaluation is there.*give the --output of an evaluation"):
        EvaluationFolder(tmp_path / "absent").terms()


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "a/b", "1/2/3", "-1/3"])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(UsageError, match="no shard"):
        Shard.parse(text)


def test_shards_are_a_partition() -> None:
    parts = [Shard.parse(f"{number}/3").part(range(8)) for number in (1, 2, 3)]
    assert sorted(item for part in parts for item in part) == list(range(8))
    assert {len(part) for part in parts} == {2, 3}
    assert list(Shard(1, 9).part([])) == []
