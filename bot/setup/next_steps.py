"""What is left to do once the App is there. Pure text, the same on the page and on the terminal."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from bot.github_api.conversion import NewApp


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`link` and `command` are empty where there is none."""

    text: str
    link: str = ""
    command: str = ""


def next_steps(app: NewApp, env_file: Path) -> tuple[Step, ...]:
    file = shlex.quote(str(env_file))
    return (
        Step(
            text="Install the App on the repositories that may ask for kernels",
            link=f"{app.html_url}/installations/new",
        ),
        Step(text="Start the service", command=f"kernelwright serve --env-file {file}"),
        Step(
            text="Copy the workflows and the issue form, and make the label; this names the rest",
            command=f"kernelwright doctor --env-file {file}",
        ),
    )
