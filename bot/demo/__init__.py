"""`python -m bot demo`: the whole path on this machine, with a stand-in for GitHub.

Owns the story that is told: a request, a pull request, a review, a second commit. Everything in it
is the real thing (bot, runner, verifier, git) except GitHub itself and the model, whose answers
are recorded in `transcripts/`.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Run the demo; the exit code: 0 only if all of it really happened, 1 if not, 2 for misuse."""
    # Lazy: `--help` and a misuse need no web server and no OpenAPI description.
    from bot.demo.command import run

    return run(argv)
