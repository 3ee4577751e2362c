"""Where the files lie that ship with the detector: reference data, learned parameters, metaparameters.

In a checkout and in the container image they lie beside the package `detector`, under the names that NIST's harness
and this repository fix; an installed package holds copies of them, in its folder `data` (`setup.py` puts them there).
They come with the code and are trusted like it.
"""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from detector.base.errors import DetectorError

REFERENCE_DATA = "reference_data"
LEARNED_PARAMETERS = "learned_params"
METAPARAMETERS = "metaparameters.json"
METAPARAMETERS_SCHEMA = "metaparameters_schema.json"
SHIPPED = (REFERENCE_DATA, LEARNED_PARAMETERS, METAPARAMETERS, METAPARAMETERS_SCHEMA)

_PACKAGE, _INSTALLED = "detector", "data"


def data_directory() -> Path:
    """The folder that holds `SHIPPED`, as an absolute path.

    Raises
    ------
    DetectorError
        The package is not made of files, or its files are not there.
    """
    package = importlib.resources.files(_PACKAGE)
    if isinstance(package, Path):
        folder = package.resolve()
        for candidate in (folder / _INSTALLED, folder.parent):
            if (candidate / REFERENCE_DATA).is_dir():
                return candidate
    raise DetectorError(
        "the files that ship with the detector are not there",
        where=package,
        expected=f"{', '.join(SHIPPED)} in the installed package, or beside it in a checkout",
        next_step="install the package again with pip, which unpacks it, or restore the checkout",
    )
