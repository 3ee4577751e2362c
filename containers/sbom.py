"""Prints what is inside the environment that runs it, as a CycloneDX 1.5 document: Python, its packages, Debian's.

Fed to the image's own Python (`make sbom`), so it needs nothing but the standard library, and leaves nothing behind.
The usual generators list Python packages only; most of an image's advisories concern Debian's.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from urllib.parse import quote

Component = dict[str, object]


def component(kind: str, name: str, version: str, purl: str) -> Component:
    """One part, identified by its package URL."""
    return {"type": kind, "name": name, "version": version, "purl": purl, "bom-ref": purl}


def python_packages() -> Iterator[Component]:
    """Every distribution that this Python can import."""
    for distribution in metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
        version = distribution.version
        yield component("library", name, version, f"pkg:pypi/{name}@{quote(version)}")


def debian_packages(status: Path = Path("/var/lib/dpkg/status")) -> Iterator[Component]:
    """Every package that dpkg has installed; none where there is no dpkg."""
    text = status.read_text(encoding="utf-8") if status.exists() else ""
    for paragraph in text.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Version|Architecture): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={fields['Architecture']}"
            yield component("library", name, version, purl)


def interpreter() -> Component:
    """This Python."""
    version = platform.python_version()
    return component("platform", "python", version, f"pkg:generic/python@{version}")


def document(subject: Component) -> dict[str, object]:
    """The whole document, the same for the same image: no time, no random serial number."""
    # By package URL: a project installed in place is found twice, in its folder and in site-packages.
    parts = {str(part["purl"]): part for part in (interpreter(), *python_packages(), *debian_packages())}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": subject},
        "components": [parts[purl] for purl in sorted(parts)],
    }


def main() -> None:
    """Print the document of the image that holds the detector."""
    sys.path.insert(0, "/opt/detector")
    from detector import __version__

    name = "pruning-trojan-detector"
    subject = component("application", name, __version__, f"pkg:generic/{name}@{__version__}")
    sys.stdout.write(json.dumps(document(subject), indent=2) + "\n")


if __name__ == "__main__":
    main()
