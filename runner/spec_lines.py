"""Where things stand in a TOML text: key paths → 1-based lines.

Owns the line look-up for fault messages. Not a parser: `tomllib` decides what the text means (it
keeps no lines), and this only finds the line to show, so a text that fools it shows a wrong line.
"""

from __future__ import annotations

import re

_TABLE = re.compile(r"^\s*(\[\[?)\s*([\w.\"'-]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"^\s*([\w\"'-]+)\s*=")


class SpecLines:
    """Lines of one TOML text. Tables of an array are counted from 0, in the order written."""

    def __init__(self, text: str) -> None:
        self._tables: dict[tuple[str, int], int] = {}
        self._keys: dict[tuple[str, int, str], int] = {}
        seen: dict[str, int] = {}
        table, index = "", 0
        closing: str | None = None  # the delimiter of the multi-line string we are in
        for number, line in enumerate(text.splitlines(), start=1):
            if closing is not None:
                if closing in line:
                    closing = None
                continue
            if match := _TABLE.match(line):
                table = match[2]
                index = seen.get(table, -1) + 1
                seen[table] = index
                self._tables[table, index] = number
            elif match := _KEY.match(line):
                self._keys.setdefault((table, index, match[1].strip("\"'")), number)
                for delimiter in ('"""', "'''"):
                    if line.count(delimiter) == 1:
                        closing = delimiter

    def key(self, name: str, table: str = "", index: int = 0) -> int | None:
        """The line of `name` in that table, else of the table, else None."""
        found = self._keys.get((table, index, name))
        return found if found is not None else self.table(table, index)

    def table(self, table: str, index: int = 0) -> int | None:
        """The line of the `index`-th header of that table, or None."""
        return self._tables.get((table, index))

    def locate(self, path: tuple[str | int, ...]) -> int | None:
        """The line nearest to a path such as ("inputs", 1, "dtype") or ("axes", "B", 0)."""
        table = str(path[0]) if path else ""
        index = path[1] if len(path) > 1 and isinstance(path[1], int) else 0
        rest = [part for part in path[1:] if isinstance(part, str)]
        if self.table(table, index) is not None:
            return self.key(rest[0], table, index) if rest else self.table(table, index)
        return self._keys.get(("", 0, table))
