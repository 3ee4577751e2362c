"""The registry of kinds of probes: one file each, found by its name. A further kind is one file and one import here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from detector.base.errors import ParametersError
from detector.probing.kind import ProbeKind
from detector.probing.kinds import (
    blur,
    colour_matrix,
    gain,
    gamma,
    grey,
    inversion,
    noise,
    photo_filter,
    polygon,
    vignette,
)

_ALL = (photo_filter, colour_matrix, gain, gamma, vignette, polygon, grey, inversion, blur, noise)

KINDS: Mapping[str, ProbeKind] = MappingProxyType({module.KIND.name: module.KIND for module in _ALL})
"""All kinds by name, families together."""


def kind_named(name: str) -> ProbeKind:
    """The kind of probe of that name.

    Raises
    ------
    ParametersError
        There is none.
    """
    if name not in KINDS:
        raise ParametersError(
            f"no kind of probe {name!r}",
            where="probe",
            expected=f"one of: {', '.join(KINDS)}",
            next_step="use parameters that this version of the detector knows",
        )
    return KINDS[name]
