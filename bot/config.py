"""What a repository may set in `.github/kernelwright.yml`, and what holds where it sets nothing.

Owns the settings, their limits and the JSON schema for editors. Pure; the file's text is read by
`config_file`. Closed to unknown keys: a typing error must not quietly leave a default in force.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    model_validator,
)

from bot.durations import PATTERN, parse_duration_s

PATH = ".github/kernelwright.yml"
SCHEMA_PATH = ".github/kernelwright.schema.json"
DEFAULT_LABEL = "kernel-request"
# Labels that the bot itself sets: as a request's label they would start it again and again.
STATE_PREFIX = "kernel-request:"
# On a public repository everybody has them.
_EVERYBODY = frozenset({"none", "read"})


def _checked_duration(text: str) -> str:
    parse_duration_s(text)
    return text


def _own_label(label: str) -> str:
    if label.startswith(STATE_PREFIX):
        raise ValueError(f"labels that start with {STATE_PREFIX} are the bot's own")
    return label


def _inside(folder: str) -> str:
    if any(part in ("..", ".", ".git", ".github") for part in folder.split("/")):
        raise ValueError("must be a folder of this repository, and neither .git nor .github")
    return folder


def _selective(role: str) -> str:
    if role in _EVERYBODY:
        raise ValueError(f"everybody has the role {role} on a public repository: name people")
    return role


Duration = Annotated[
    str,
    StringConstraints(strict=True, min_length=2, max_length=12, pattern=PATTERN),
    AfterValidator(_checked_duration),
]
Label = Annotated[
    str,
    StringConstraints(strict=True, pattern=r"^[^\s,](?:[^\n,]{0,48}[^\s,])?$"),
    AfterValidator(_own_label),
]
Folder = Annotated[
    str,
    StringConstraints(strict=True, max_length=100, pattern=r"^[\w.-]+(?:/[\w.-]+)*$"),
    AfterValidator(_inside),
]
RunnerLabel = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9._-]{1,64}$")]
RoleName = Annotated[
    str,
    StringConstraints(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$"),
    AfterValidator(_selective),
]
Login = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9](?:-?[A-Za-z0-9_])*$")]
Baseline = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Cap = Annotated[StrictInt, Field(ge=1, le=10_000)]
Tokens = Annotated[StrictInt, Field(ge=1, le=1_000_000_000)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BudgetConfig(_Section):
    """What a run may spend: time on the GPU machine, and the model's tokens."""

    default: Annotated[
        Duration, Field(description="Where the request does not say. Such as 15m or 1h30m.")
    ] = "15m"
    max: Annotated[
        Duration,
        Field(
            description="The longest that the form or `/regenerate --budget` may ask for. "
            "`timeout-minutes` in generate.yml must leave half an hour more."
        ),
    ] = "1h"
    tokens: Annotated[
        Tokens | None,
        Field(
            description="Prompts and answers of one run together, as the endpoint counts them: "
            "beyond it nothing more is asked. Null: only time ends a run."
        ),
    ] = None

    @property
    def default_s(self) -> float:
        return parse_duration_s(self.default)

    @property
    def max_s(self) -> float:
        return parse_duration_s(self.max)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.default_s > self.max_s:
            raise ValueError(f"the default, {self.default}, is longer than the max, {self.max}")
        return self


class AskersConfig(_Section):
    """Who may start, change, cancel and verify."""

    roles: Annotated[
        tuple[RoleName, ...],
        Field(
            max_length=20,
            description="Roles on this repository, built in or the organisation's own. One of the "
            "organisation's own that is not named counts as the built-in role that it extends.",
        ),
    ] = ("write", "maintain", "admin")
    users: Annotated[
        tuple[Login, ...],
        Field(max_length=200, description="People who may ask whatever their role."),
    ] = ()

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not self.roles and not self.users:
            raise ValueError("with neither roles nor users nobody could ask")
        return self


class CapsConfig(_Section):
    """Runs that may be started within 24 hours. Null: no limit."""

    per_person_per_day: Annotated[Cap | None, Field(description="By one person.")] = None
    per_repository_per_day: Annotated[Cap | None, Field(description="By all together.")] = None


class NightlyConfig(_Section):
    """What follows from a night's findings beside the kernel's issue."""

    regenerate: Annotated[
        StrictBool,
        Field(description="Start a round from the merged kernel when a night finds it in trouble."),
    ] = False


class VerifyConfig(_Section):
    """Verifications of a pull request's head by a run of their own."""

    automatic: Annotated[
        StrictBool,
        Field(
            description="Judge the head of every kernel pull request again, in a run of "
            "verify.yml. Without that file nothing is run."
        ),
    ] = True


class RepositoryConfig(_Section):
    """Settings of kernelwright for one repository. Every key may be left out."""

    label: Annotated[
        Label, Field(description="Adding this label to an issue starts its request.")
    ] = DEFAULT_LABEL
    problems_folder: Annotated[
        Folder, Field(description="Where a kernel's folder is added, from the repository's root.")
    ] = "problems"
    runner_labels: Annotated[
        tuple[RunnerLabel, ...],
        Field(
            max_length=10,
            description="Labels of the runner, all of which it must have, passed to generate.yml "
            "as its input `runner`. Empty: what generate.yml itself says.",
        ),
    ] = ()
    budget: BudgetConfig = BudgetConfig()
    who_may_ask: AskersConfig = AskersConfig()
    caps: CapsConfig = CapsConfig()
    verify: VerifyConfig = VerifyConfig()
    nightly: NightlyConfig = NightlyConfig()
    baselines: Annotated[
        tuple[Baseline, ...],
        Field(
            max_length=20,
            description="Baselines that every spec here must name, beside its own.",
        ),
    ] = ()

    def in_folder(self, folder: str | None) -> RepositoryConfig:
        """These settings for a branch that has a problems folder of its own."""
        return self.model_copy(update={"problems_folder": folder}) if folder else self


def schema_text() -> str:
    """The JSON schema, as it is published at SCHEMA_PATH."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **RepositoryConfig.model_json_schema(),
    }
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
