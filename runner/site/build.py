"""Write the site: read the folders and the nights, render every page, replace the old ones.

Owns the output folder. One that holds anything but a site of ours is refused; pages of kernels that
are gone are removed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.contract import sha256_hex
from runner.errors import RunnerError
from runner.files import write_atomically
from runner.html_document import GENERATOR_MARK
from runner.site.folder import KernelFolder, read_folders
from runner.site.index_page import Entry, render_index
from runner.site.kernel_page import render_kernel
from runner.site.links import Forge
from runner.site.nights import Nights, read_nights
from runner.site.standing import standing_of

INDEX, PAGES = "index.html", "kernels"
_PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteOrder:
    """What the command line asks for. `history` None: no nights are known."""

    problems: Path
    out: Path
    history: Path | None
    forge: Forge
    title: str


def build_site(order: SiteOrder) -> str:
    """Write the site and say in one line what is on it. Raises RunnerError, ContractError."""
    nights = read_nights(order.history) if order.history else {}
    entries = [_entry(folder, nights) for folder in read_folders(order.problems)]
    pages = {f"{entry.page}.html": render_kernel(entry, order.forge) for entry in entries}
    index = render_index(entries, order.forge, order.title)
    _claim(order.out)
    try:
        for name, text in pages.items():
            write_atomically(order.out / PAGES / name, text)
        # The index comes last: whatever it links to is there.
        write_atomically(order.out / INDEX, index)
        for old in (order.out / PAGES).glob("*.html"):
            if old.name not in pages:
                old.unlink()
    except OSError as error:
        raise RunnerError(f"cannot write to {order.out}: {error.strerror}") from error
    return _told(order, entries, nights)


def _entry(folder: KernelFolder, nights: Nights) -> Entry:
    known = nights.get(folder.name, ())
    return Entry(
        folder=folder, nights=known, standing=standing_of(folder, known), page=_page(folder.name)
    )


def _page(name: str) -> str:
    """The name of a page's file. A folder may be called anything; an address may not."""
    return name if _PLAIN_NAME.fullmatch(name) else f"kernel-{sha256_hex(name)[:16]}"


def _told(order: SiteOrder, entries: Sequence[Entry], nights: Nights) -> str:
    count = len({row.night for rows in nights.values() for row in rows})
    line = f"written: {order.out / INDEX}, {len(entries)} kernels, {count} nights"
    # A renamed kernel would lose its history without a word.
    homeless = sorted(set(nights) - {entry.folder.name for entry in entries})
    return line + (f"; nights without a folder: {', '.join(homeless)}" if homeless else "")


def _claim(out: Path) -> None:
    """Make the output folder, or take one that a site was written to before."""
    try:
        if out.exists() and any(out.iterdir()):
            index = out / INDEX
            ours = index.is_file() and GENERATOR_MARK in index.read_text(errors="replace")
            if not ours:
                raise RunnerError(f"{out} is not empty and holds no site: name another --out")
        (out / PAGES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunnerError(f"cannot write to {out}: {error.strerror}") from error
