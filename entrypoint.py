"""The command of the container and of a checkout; installed, the same program is called `trojan-detector`."""

from __future__ import annotations

from detector.launch import main, program

__all__ = ["main", "program"]

if __name__ == "__main__":
    program("entrypoint.py")
