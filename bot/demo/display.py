"""What the person in front of the terminal sees.

Owns colours and layout. Text from issues, logs and bots is printed as text, never as markup.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from rich.console import Console
from rich.markdown import Markdown
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

_COLOURS = {
    "webhook": "blue",
    "progress": "cyan",
    "comment": "magenta",
    "run": "yellow",
    "pull": "green",
    "commit": "green",
    "check": "green",
    "person": "bold",
    "note": "bold yellow",
}
_STATUS = re.compile(
    r"\b(PASSED|REJECTED|TIMEOUT|CHEATED|COMPILE_ERROR|RUNTIME_ERROR|INCORRECT_\w+)\b"
)


class Display:
    """Prints to one console, each event with the seconds since the start."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started_s = time.monotonic()

    def step(self, title: str) -> None:
        """A headline: what comes next."""
        self._console.print()
        self._console.print(Rule(Text(title, style="bold"), align="left", style="dim"))

    def event(self, kind: str, text: str) -> None:
        """One thing that happened."""
        seconds = time.monotonic() - self._started_s
        self._row(f"{seconds:.1f} s", Text(kind, style=_COLOURS[kind]), _highlighted(text))

    def log(self, text: str) -> None:
        """A line that the run printed."""
        self._row("", Text("│", style="dim", justify="right"), _highlighted(text))

    def _row(self, time_text: str, kind: Text, text: Text) -> None:
        grid = Table.grid(padding=(0, 1))  # a long text wraps within its own column
        grid.add_column(width=8, justify="right", style="dim")
        grid.add_column(width=8)
        grid.add_column()
        grid.add_row(time_text, kind, text)
        self._console.print(grid)

    def quote(self, text: str) -> None:
        """What a person wrote."""
        self._console.print(Panel(Text(text), border_style="dim", padding=(0, 1)))

    def page(self, title: str, subtitle: str, body: str) -> None:
        """The head of a pull request as a reviewer reads it: headline and Markdown."""
        self._console.print()
        heading = Text(title, style="bold")
        heading.append(f"\n{subtitle}", style="dim")
        self._console.print(Panel(heading, border_style="green"))
        self._console.print(Markdown(body))

    def said(self, who: str, body: str) -> None:
        """A review or a comment below it."""
        panel = Panel(Markdown(body), title=Text(who), title_align="left", border_style="dim")
        self._console.print()
        self._console.print(panel)

    def listing(self, name: str, items: Sequence[str]) -> None:
        self._console.print()
        self._console.print(Text(name, style="bold"))
        for item in items:
            self._console.print(Text(f"  {item}"))

    def tail(self, title: str, lines: Sequence[str]) -> None:
        """The last lines of a log, after a failure."""
        self._console.print(Rule(Text(title, style="bold red"), align="left", style="red"))
        for line in lines:
            self._console.print(Text(line))

    def say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style))


def _highlighted(text: str) -> Text:
    shown = Text(text)
    for match in _STATUS.finditer(text):
        shown.stylize("bold green" if match[1] == "PASSED" else "bold red", *match.span())
    return shown
