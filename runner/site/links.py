"""Addresses on GitHub: the issue that asked for a kernel, and the pull request that brought it.

Owns their form. A repository or a number that is not one gives no link.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from runner.html_parts import Markup, element
from runner.site.folder import KernelFolder

_REPOSITORY = re.compile(r"[\w.-]{1,100}/[\w.-]{1,100}", re.ASCII)
_SLUG = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forge:
    """Where the repository is. `repository` None: only a folder's own results say."""

    url: str
    repository: str | None


def issue_link(folder: KernelFolder, forge: Forge) -> Markup | None:
    """The issue; None where the results name none."""
    repository, number = _request(folder, forge)
    if repository is None or number is None:
        return None
    return _link(f"{forge.url}/{repository}/issues/{number}", f"#{number}")


def pull_request_link(folder: KernelFolder, forge: Forge) -> Markup | None:
    """The pull requests of the kernel's branch.

    A run cannot know the number of the pull request that will bring its results; the name of the
    branch follows from the request, and GitHub finds the rest.
    """
    repository, number = _request(folder, forge)
    if repository is None or number is None or not _SLUG.fullmatch(folder.name):
        return None
    branch = f"kernel%2F{number}-{folder.name.replace('_', '-')}"
    query = f"is%3Apr+head%3A{branch}"
    return _link(f"{forge.url}/{repository}/pulls?q={query}", "pull request")


def _request(folder: KernelFolder, forge: Forge) -> tuple[str | None, int | None]:
    results = folder.results
    repository = (results.repository if results else None) or forge.repository
    number = results.issue_number if results else None
    if repository is None or not _REPOSITORY.fullmatch(repository):
        return None, None
    return repository, number if number is not None and number > 0 else None


def _link(address: str, text: str) -> Markup:
    return element("a", text, href=address, rel="noreferrer")
