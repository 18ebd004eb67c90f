"""The files of this version that belong into a repository: the workflows and the issue form.

Owns where they lie: in a checkout in `.github/`, in an installed package beside this module.
"""

from __future__ import annotations

from pathlib import Path

import bot

GENERATE = ".github/workflows/generate.yml"
VERIFY = ".github/workflows/verify.yml"
NIGHTLY = ".github/workflows/nightly.yml"
FORM = ".github/ISSUE_TEMPLATE/kernel-request.yml"
FILES = (GENERATE, VERIFY, NIGHTLY, FORM)


def shipped(path: str) -> str:
    """This version's text of the file at `path`. FileNotFoundError for a package without it."""
    packed = Path(__file__).with_name("files") / Path(path).name
    checkout = Path(bot.__file__).resolve().parents[1] / path
    return (packed if packed.is_file() else checkout).read_text(encoding="utf-8")
