"""`kernelwright doctor`: is this installation complete, and what is to be done where it is not.

Owns the examination of the App, its webhook and the repositories that it is installed on. Reads
only: it repairs nothing, here or on GitHub.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Run the command; 0: nothing is at fault, 1: something is, 2: misuse."""
    from bot.doctor.command import run

    return run(argv)
