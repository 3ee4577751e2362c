"""Where the settings and the bundle of a detection come from: what is given, what lies beside it, or what is shipped.

Paths come from the caller and are trusted; what the files hold is checked where they are read.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from detector.base.errors import ParametersError
from detector.base.resources import METAPARAMETERS
from detector.commands.cli import InferCommand
from detector.commands.settings import Settings
from detector.mapping.bundles import bundle_names, is_bundle

_log = logging.getLogger(__name__)


def metaparameters_of(command: InferCommand) -> Path:
    """The file that was given, else the one that `configure` has put beside the bundles that were, else the shipped."""
    beside = command.learned_parameters_dirpath / METAPARAMETERS
    if command.given == {"learned_parameters_dirpath"} and beside.is_file():
        _log.info("metaparameters: %s", beside)
        return beside
    return command.metaparameters_filepath


def bundle_of(command: InferCommand, settings: Settings) -> tuple[Path, Settings]:
    """The directory of the bundle, and the settings with its name.

    Without `--bundle` it is the one of the metaparameters; where that is not among those of the directory that was
    given, the only one there is.

    Raises
    ------
    ParametersError
        `--bundle` is a path, and no bundle is there.
    """
    if command.bundle is not None:
        return named_bundle(command.bundle, command.learned_parameters_dirpath, settings)
    directory = command.learned_parameters_dirpath
    names = bundle_names(directory) if "learned_parameters_dirpath" in command.given else []
    if len(names) == 1 and settings.bundle not in names:
        _log.info("bundle: %s, the only one in %s", names[0], directory)
        return directory, replace(settings, bundle=names[0])
    return directory, settings


def named_bundle(bundle: str, directory: Path, settings: Settings) -> tuple[Path, Settings]:
    """The directory of a bundle that is named, or whose folder is, and the settings with its name.

    Raises
    ------
    ParametersError
        It is a path, and no bundle is there.
    """
    path = Path(bundle)
    if is_bundle(path):
        return path, replace(settings, bundle=path.resolve().name)
    if path.name != bundle:
        raise ParametersError(
            "no bundle is there",
            where=path,
            expected="a folder with a bundle.json, or the name of a bundle",
            next_step="check the path",
        )
    return directory, replace(settings, bundle=bundle)
