"""Probes: what is done to the images before the unchanged network sees them. The door to a registry (kinds/)."""

from detector.probing.kind import Family, ProbeKind
from detector.probing.probe import Probe

__all__ = ["Family", "Probe", "ProbeKind"]
