"""NIST's published coefficient tables, turned into bundles of learned parameters.

`python -m laboratory.nist.tables --tables DIR --output learned_params` reads the four tables of the paper's reference
implementation (github usnistgov/trojai-baseline-pruning) and writes the bundles `nist-round1` ... `nist-round4`. The
tables' naming errors are put right by `Architecture.nist_name`; that all figures are in-sample is said in every file.
The tables are trusted as published, but not to be free of slips.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detector.architectures import ARCHITECTURES, Architecture
from detector.base.errors import DetectorError, ParametersError
from detector.mapping.bundles import Bundle, write_bundle
from detector.mapping.parameters import Clip, Configuration, Figures, LearnedParameters, MappingKind, Provenance
from detector.pruning.theta import PruningMethod, RankingMethod, SamplingMethod, SelectionRule, Theta
from detector.rounds.preprocessing import PROFILES
from detector.signals.features import Reduction

VERSION = "1"

# NIST's code computes ceil(1000 / 15) / 1000 = 0.067; the file names of Rounds 1 and 2 say 0.07.
THETA = Theta(
    PruningMethod.RESET,
    SamplingMethod.TARGETED,
    RankingMethod.L1,
    p=0.067,
    num_pruned_models=15,
    num_images=10,
    rule=SelectionRule.NIST,
)

EVALUATION = (
    "In-sample only: NIST fitted one regression per architecture on all models of the round and counted errors on the "
    "same models (cross-entropy of predictions clipped to 1e-12, cut to 4 decimals). There are no held-out figures. On "
    "the sequestered test sets of Rounds 2 to 4 the entries of team NIST-baseline, which presumably ran this method, "
    "were at chance (ROC-AUC 0.48 to 0.57)."
)

_P_NOTE = "The table's file name says p = 0.07, NIST's code computes 0.067; which of them the fit used is not known."
_SUBSET_NOTE = "Which 10 images of each model the fit used is not reproducible: the files were then taken unsorted."
_VGG_NOTE = "Fitted on VGG-11 and VGG-13 together, which NIST's identification by file size did not tell apart."
_RENAMED_NOTE = "NIST's table calls this architecture {}."
_SQUEEZENET_NOTE = (
    "Fitted on a mixture: NIST told SqueezeNet 1.0 and 1.1 apart by file size, which fails with many classes."
)
_INTERPOLATED_NOTE = "As many coefficients as models or more: the fit passes through every point and means nothing."


@dataclass(frozen=True)
class _Table:
    """One published file: the round it belongs to and the preprocessing profile that its fit used."""

    round: str
    file: str
    preprocessing: str
    notes: tuple[str, ...] = ()


_TABLES = (
    _Table("round1", "r1_reset_L1_targeted_15_10_0p07.csv", "round1", (_P_NOTE, _SUBSET_NOTE)),
    _Table("round2", "r2_reset_L1_targeted_15_10_0p07.csv", "rgb_minmax", (_P_NOTE, _SUBSET_NOTE)),
    _Table("round3", "r3_reset_L1_targeted_15_10_0p067.csv", "rgb_minmax", (_SUBSET_NOTE,)),
    _Table("round4", "r4_reset_L1_targeted_15_10_0p067.csv", "rgb_minmax", (_SUBSET_NOTE,)),
)


@dataclass(frozen=True)
class _Row:
    """One architecture of a table: the coefficients, intercept first, and the figures of the fit."""

    coefficients: tuple[float, ...]
    num_models: int
    num_poisoned: int
    num_erroneous: int
    cross_entropy: float


def convert(tables: Path, output: Path) -> tuple[Path, ...]:
    """Write the bundles for the four tables in directory `tables` under `output`; return their paths.

    Raises
    ------
    ParametersError
        A table is missing or malformed, or the output cannot be written.
    """
    return tuple(_convert(table, _read(tables / table.file), output) for table in _TABLES)


def _convert(table: _Table, rows: dict[str, _Row], output: Path) -> Path:
    description = f"NIST's published coefficients for {table.round.replace('round', 'Round ')}. {EVALUATION}"
    num_models, num_poisoned = sum(r.num_models for r in rows.values()), sum(r.num_poisoned for r in rows.values())
    bundle = Bundle(f"nist-{table.round}", VERSION, description, num_poisoned / num_models)
    fitted = [architecture for architecture in ARCHITECTURES.values() if architecture.nist_name in rows]
    return write_bundle(output, bundle, [_parameters(table, rows[one.nist_name], one) for one in fitted])


def _parameters(table: _Table, row: _Row, architecture: Architecture) -> LearnedParameters:
    figures = Figures(row.num_models, row.num_erroneous / row.num_models, row.cross_entropy)
    intercept, *coefficients = row.coefficients
    configuration = Configuration(
        (THETA,),
        ("accuracy",),
        Reduction.VARIANTS,
        MappingKind.LINEAR,
        intercept,
        tuple(coefficients),
        held_out=None,
        in_sample=figures,
    )
    provenance = Provenance(
        round=table.round,
        num_models=row.num_models,
        num_poisoned=row.num_poisoned,
        evaluation=EVALUATION,
        source=f"{table.file}, row {architecture.nist_name}, of github usnistgov/trojai-baseline-pruning",
        notes=table.notes + _notes(row, architecture),
    )
    base_rate = row.num_poisoned / row.num_models
    return LearnedParameters(
        architecture.name, PROFILES[table.preprocessing], base_rate, Clip(), (configuration,), provenance
    )


def _notes(row: _Row, architecture: Architecture) -> tuple[str, ...]:
    """What has to be known of this row besides what holds for its whole table."""
    sharing = [other for other in ARCHITECTURES.values() if other.nist_name == architecture.nist_name]
    notes = {
        _RENAMED_NOTE.format(architecture.nist_name): architecture.nist_name != architecture.name,
        _VGG_NOTE: len(sharing) > 1,
        _SQUEEZENET_NOTE: architecture.root_class == "SqueezeNet",
        _INTERPOLATED_NOTE: row.num_models <= len(row.coefficients),
    }
    return tuple(note for note, applies in notes.items() if applies)


def _read(path: Path) -> dict[str, _Row]:
    """The rows of a published table, by NIST's name of the architecture."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *lines = [[cell.strip() for cell in line] for line in csv.reader(file) if line]
        records = [dict(zip(header, line, strict=False)) for line in lines]  # lines end in an empty cell of their own
        return {record["architecture_name"]: _row(record) for record in records}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise ParametersError(
            f"cannot be read as a table of coefficients ({error!r})",
            where=path,
            expected="the CSV file as NIST published it",
            next_step="take the file from github usnistgov/trojai-baseline-pruning, linear_regression_data",
        ) from error


def _row(record: dict[str, str]) -> _Row:
    return _Row(
        coefficients=tuple(float(record[f"b{k}"]) for k in range(THETA.num_pruned_models + 1)),
        num_models=int(record["num_models"]),
        num_poisoned=int(record["poisoned_model_count"]),
        num_erroneous=int(record["num_erroneous_models"]),
        cross_entropy=float(record["avg_cross_entropy_loss"]),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of this module; silent when all is well."""
    parser = argparse.ArgumentParser(
        prog="python -m laboratory.nist.tables", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--tables", type=Path, required=True, help="directory with NIST's four CSV files")
    parser.add_argument("--output", type=Path, default=Path("learned_params"), help="where the bundles go")
    options = parser.parse_args(arguments)
    try:
        convert(options.tables, options.output)
    except DetectorError as error:
        parser.exit(int(error.exit_code), f"{error}\n")


if __name__ == "__main__":
    main()
