"""`kernelwright setup`: a GitHub App through GitHub's manifest flow, into a settings file.

Owns the way from nothing to a file that `kernelwright serve --env-file` starts from. Talks to a
browser on this machine and to GitHub, once; installs nothing and starts no service.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Run the command; 0: the file is written, 1: it is not, 2: misuse."""
    from bot.setup.command import run

    return run(argv)
