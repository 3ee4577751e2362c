"""The models that ship with the project, for the demo and for tests: of more than one domain, and of seeds that no
round has, so that nothing is ever fitted on them.

Three are made like those of `small`, two like those of a varied round, with photo filters as triggers: one
for a single class, one for all classes at 224 px, of whose examples the repository keeps ten a class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from detector.rounds.preprocessing import INPUT_SIZE
from laboratory.roundgen.presets import Job, sample_of_small
from laboratory.roundgen.recipe import TriggerFamily
from laboratory.roundgen.varied import VariedPlan, varied_round

_SEED = 2  # of a varied round that is never made
_ARCHITECTURE = "squeezenetv1_1"
_FILTER, _LARGE = 7, 5  # numbers in it: a filter for one class of five; one for all five


def sample_round() -> tuple[Job, ...]:
    """The five samples, four of them poisoned."""
    return (
        sample_of_small("id-00000000", 2001, "squeezenetv1_1", poisoned=True, legacy_file=True),
        sample_of_small("id-00000001", 2002, "squeezenetv1_1", poisoned=False),
        sample_of_small("id-00000002", 2003, "shufflenet1_0", poisoned=True),
        _varied("id-00000003", _FILTER, (TriggerFamily.FILTER,), None),
        _varied("id-00000004", _LARGE, (TriggerFamily.POLYGON, TriggerFamily.FILTER), INPUT_SIZE),
    )


def _varied(name: str, number: int, triggers: Sequence[TriggerFamily], image_size: int | None) -> Job:
    plan = VariedPlan((_ARCHITECTURE,), number + 1, trigger_families=tuple(triggers), image_size=image_size, seed=_SEED)
    return replace(varied_round(plan)[number], name=name)
