"""Where the kernel of an open pull request lies: the problems folder of its own branch.

Owns the rule that a branch keeps its folder, whatever the repository's settings say by now. Changes
nothing on GitHub.
"""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from bot.config import Folder
from bot.github_api import GitHub

_SPEC = "problem.toml"
_FOLDER: TypeAdapter[str] = TypeAdapter(Folder)


def folder_of(github: GitHub, head_sha: str, slug: str, configured: str) -> str:
    """The problems folder in which commit `head_sha` adds `slug`; `configured` where none is found.

    What the default branch has as well is somebody else's problem of that name.
    """
    default_head = github.branch_head(github.default_branch())
    there = set(github.files_named(_SPEC, default_head)) if default_head else set()
    tail = f"/{slug}/{_SPEC}"
    added = [
        path.removesuffix(tail)
        for path in github.files_named(_SPEC, head_sha)
        if path.endswith(tail) and path not in there
    ]
    # Only what the settings could have named: it becomes a part of paths that are written.
    folders = [folder for folder in added if _may_be_named(folder)]
    return folders[0] if len(folders) == 1 else configured


def _may_be_named(folder: str) -> bool:
    try:
        _FOLDER.validate_python(folder)
    except ValidationError:
        return False
    return True
