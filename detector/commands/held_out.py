"""What `configure` would have answered to each of its models from the others: kept as `evaluate` keeps its answers.

So the two can be set side by side by `compare`. A model's probability is the mean over the repeats of the
cross-validation; where nothing was learned for its architecture it is the base rate, which is what the bundle answers.
How long a detection takes is not known from it: the seconds are 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from detector import __version__
from detector.base.errors import ExitCode
from detector.learning.learned import Learned
from detector.report.report import Basis
from detector.report.verdict import Judgement, side_of
from detector.rounds.facts import Facts
from detector.rounds.reading import Round, read_members
from detector.scoring.answers import Answer
from detector.scoring.folder import EvaluationFolder
from detector.scoring.terms import Terms
from detector.sweep.readings import ArchitectureReadings

FOLDER = "held_out"  # beside the bundle, in the learned parameters
_BUNDLE = "held out from the models of the round"


def write_held_out(
    directory: Path,
    found: Round,
    readings: Sequence[ArchitectureReadings],
    learned: Sequence[Learned],
    base_rate: float,
    preprocessing: str,
) -> Path | None:
    """Write the answers to all measured models into the folder, in place of older ones; returns the folder.

    Where nothing was learned at all there are none, and older ones are removed.

    Raises
    ------
    UsageError
        It cannot be written, or the round is gone.
    """
    folder = EvaluationFolder(directory / FOLDER)
    probabilities = {name: value for one in learned for name, value in one.held_out.items()}
    if not probabilities:
        folder.clear()
        return None
    terms = Terms(found.name, _BUNDLE, "", 0.0, preprocessing, 0.0, __version__)
    facts = {member.name: member.facts for member in read_members(found.directory).members}
    answers = [
        _answer(name, bool(label), own.architecture, probabilities.get(name), base_rate, facts.get(name, Facts()))
        for own in readings
        for name, label in zip(own.names, own.poisoned.tolist(), strict=True)
    ]
    folder.replace(terms, answers)
    return folder.directory


def _answer(
    model: str, poisoned: bool, architecture: str, probability: float | None, base_rate: float, facts: Facts
) -> Answer:
    measured = probability is not None
    value = probability if probability is not None else base_rate
    side = side_of(value) if measured else None
    judgement = Judgement(side) if side else Judgement.UNDECIDED if measured else Judgement.NOT_MEASURED
    return Answer(
        model=model,
        architecture=architecture,
        truth=poisoned,
        probability=value,
        verdict=str(judgement),
        basis=str(Basis.MEASURED if measured else Basis.BASE_RATE),
        exit_code=int(ExitCode.ANSWERED),
        trigger_type=facts.trigger_type or "",
        source_classes=facts.source_classes or "",
    )
