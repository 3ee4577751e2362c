"""The bundle that `configure --start_from` begins with: found by its name or folder, and fit to be learned on from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detector.base.errors import ParametersError
from detector.base.resources import LEARNED_PARAMETERS, data_directory
from detector.learning.adaptation import adaptable
from detector.mapping.bundles import Bundle, bundle_names, is_bundle, load_bundle, load_parameters
from detector.mapping.parameters import ANY_ARCHITECTURE, LearnedParameters

_OPTION = "--start_from"


@dataclass(frozen=True)
class StartBundle:
    """A bundle, and its parameters for any architecture."""

    bundle: Bundle
    parameters: LearnedParameters


def find_start(name_or_path: str, learned_parameters: Path) -> StartBundle:
    """The bundle of that name in the learned parameters or among the shipped ones, or in that folder.

    Raises
    ------
    ParametersError
        There is none, it is invalid, or its parameters are none that can be learned on from.
    """
    folder = bundle_folder(name_or_path, (learned_parameters, data_directory() / LEARNED_PARAMETERS))
    bundle = load_bundle(folder, folder.name)
    parameters = load_parameters(folder, folder.name, ANY_ARCHITECTURE)
    if parameters is None or not adaptable(parameters):
        raise ParametersError(
            f"the bundle {bundle.name!r} cannot be started from",
            where=folder,
            expected="parameters for any architecture, with mappings any_of of probed images, as `universal` has them",
            next_step=f"name another bundle with {_OPTION}, or leave it out",
        )
    return StartBundle(bundle, parameters)


def bundle_folder(name_or_path: str, directories: Sequence[Path]) -> Path:
    """The folder of a bundle: of that name in the first of the directories that has it, else the path itself.

    Raises
    ------
    ParametersError
        There is no bundle.
    """
    places = [*(directory / name_or_path for directory in directories), Path(name_or_path)]
    folder = next((place for place in places if is_bundle(place)), None)
    if folder is None:
        known = {name for directory in directories for name in bundle_names(directory)}
        raise ParametersError(
            f"no bundle {name_or_path!r}",
            where=_OPTION,
            expected=f"one of: {', '.join(sorted(known))}, or the folder of one",
            next_step="check the name",
        )
    return folder
