"""The service's settings: environment → one frozen object. The only module that reads it.

Refuses to start half-configured: every missing or wrong variable is named in one line.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import SettingsError

PREFIX = "KERNELWRIGHT_"
_MEANING = {
    "app_id": "the App's id, shown on its settings page",
    "webhook_secret": "the secret typed into the App's webhook settings",
}
_KEY_MEANING = (
    "KERNELWRIGHT_PRIVATE_KEY (the App's private key as PEM text) or KERNELWRIGHT_PRIVATE_KEY_FILE"
)


class Settings(BaseSettings):
    """One field a variable: `app_id` is KERNELWRIGHT_APP_ID. Times are in seconds (`_s`)."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        populate_by_name=True,
    )

    app_id: str
    private_key: SecretStr = SecretStr("")
    private_key_file: Path | None = None
    webhook_secret: SecretStr
    github_api_url: str = "https://api.github.com"
    state_dir: Path = Path("kernelwright-state")
    # Empty: a SQLite file in state_dir, for one process. Postgres carries several replicas. The
    # second name is the one that hosting platforms set.
    database_url: Annotated[
        str,
        Field(repr=False, validation_alias=AliasChoices(f"{PREFIX}DATABASE_URL", "DATABASE_URL")),
    ] = ""
    # How often a replica looks whether another is gone; its work goes on after two such looks.
    replica_interval_s: Annotated[float, Field(gt=0)] = 2.0
    # Deliveries that one process works on at a time; a request that waits for its run is not one.
    # Measured at 200 a second on 2 cores: with 6 an acknowledgement takes twice as long (p99).
    deliveries_at_once: Annotated[int, Field(ge=1)] = 4
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080  # 0: any free port, printed at start
    # Where GET /metrics is answered: on the service's own address, or on one of its own.
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    log_level: str = "INFO"
    # GitHub cancels a self-hosted job that waited 24 h for its machine; the longest run has 90 min.
    run_deadline_s: Annotated[float, Field(gt=0)] = 26 * 3600.0
    # The job itself ends after 90 min; what is silent for longer has lost its machine.
    running_deadline_s: Annotated[float, Field(gt=0)] = 2 * 3600.0
    # From the wish to stop to the end of the run: the loop may be in its final verdict.
    cancel_deadline_s: Annotated[float, Field(gt=0)] = 900.0
    # How long a newer round waits for the older one to make way.
    supersede_patience_s: Annotated[float, Field(ge=0)] = 1800.0
    # Reviews that come within this time of the first are one round; 0 takes each by itself.
    review_window_s: Annotated[float, Field(ge=0)] = 60.0
    # How often missed labels, failed deliveries and orphaned runs are looked for.
    reconcile_interval_s: Annotated[float, Field(gt=0)] = 300.0
    # GitHub's limits for what an installation creates; divide them among several replicas.
    creations_per_minute: Annotated[int, Field(gt=0)] = 80
    creations_per_hour: Annotated[int, Field(gt=0)] = 500
    poll_interval_s: Annotated[float, Field(gt=0)] = 60.0
    # How long one step repeats itself while GitHub is down or limits the rate.
    github_patience_s: Annotated[float, Field(ge=0)] = 3600.0
    # PyGithub's pacing, in its own units; 0 in tests.
    seconds_between_requests: Annotated[float, Field(ge=0)] = 0.25
    seconds_between_writes: Annotated[float, Field(ge=0)] = 1.0
    # A run dispatched a moment ago may still be missing from GitHub's list.
    run_lookup_grace_s: Annotated[float, Field(ge=0)] = 10.0
    # Who signs the tokens of Actions jobs; GitHub Enterprise Server: https://HOST/_services/token.
    oidc_issuer: str = "https://token.actions.githubusercontent.com"
    oidc_audience: Annotated[str, Field(min_length=1)] = "kernelwright"
    # The progress comment is edited no more often than this while a run lasts.
    progress_pace_s: Annotated[float, Field(gt=0)] = 20.0

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("use DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        # Two spellings in use elsewhere, of which the driver knows neither.
        for spelling in ("postgres://", "postgresql+psycopg://"):
            if value.startswith(spelling):
                value = "postgresql://" + value.removeprefix(spelling)
        if value and not value.startswith(("postgresql://", "sqlite:///")):
            raise ValueError("must start with postgresql:// or sqlite:///")
        return value

    @field_validator("github_api_url", "oidc_issuer")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError("must start with https:// or http://")
        return value.rstrip("/")

    def private_key_pem(self) -> str:
        """The App's private key. Raises SettingsError where there is none or it cannot be read."""
        text = self.private_key.get_secret_value()
        if text:
            # Many a secret store holds one line: the line ends are then written as \n.
            return text if "\n" in text else text.replace("\\n", "\n")
        if self.private_key_file is None:
            raise SettingsError(f"missing settings: set {_KEY_MEANING}")
        try:
            return self.private_key_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"KERNELWRIGHT_PRIVATE_KEY_FILE: {_unread(self.private_key_file, error)}"
            ) from error

    def secrets(self) -> tuple[str, ...]:
        """Everything that must never be written to a log."""
        password = urlsplit(self.database_url).password or ""
        secret = self.webhook_secret.get_secret_value()
        return (secret, self.private_key_pem(), password, unquote(password))

    def has_replicas(self) -> bool:
        """Whether several processes may share the database."""
        return self.database_url.startswith("postgresql://")

    def system_database_url(self) -> str:
        """Where requests are kept: `database_url`, or a SQLite file under `state_dir`."""
        return self.database_url or f"sqlite:///{self.state_dir.resolve() / 'kernelwright.sqlite'}"


def load_settings(env_file: Path | None = None) -> Settings:
    """Read the environment, and `env_file` for what the environment does not say.

    Raises SettingsError with one line that names every fault.
    """
    given = _read_env_file(env_file) if env_file is not None else {}
    names = {name.upper() for name, value in given.items() if value}
    names |= {name for name, value in os.environ.items() if value}
    missing: list[str] = []
    wrong: list[str] = []
    settings: Settings | None = None
    try:
        settings = Settings.model_validate({"_env_file": env_file})
    except ValidationError as error:
        for fault in error.errors():
            field = str(fault["loc"][0]) if fault["loc"] else "settings"
            name = PREFIX + field.upper().removeprefix(PREFIX)
            if fault["type"] == "missing":
                missing.append(f"{name} ({_MEANING.get(field, 'required')})")
            else:
                wrong.append(f"{name}: {fault['msg'].removeprefix('Value error, ')}")
        if not names & {f"{PREFIX}PRIVATE_KEY{end}" for end in ("", "_FILE")}:
            missing.append(_KEY_MEANING)
    if settings is not None:
        settings.private_key_pem()
        return settings
    lines = [f"missing settings: set {', '.join(missing)}"] if missing else []
    raise SettingsError("; ".join([*lines, *wrong]))


def _read_env_file(path: Path) -> dict[str, str | None]:
    """The variables of a settings file; a file that is not there is a fault, never no settings."""
    try:
        with path.open(encoding="utf-8") as lines:
            return dict(dotenv_values(stream=lines))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file: {_unread(path, error)}") from error


def _unread(path: Path, error: OSError | UnicodeDecodeError) -> str:
    """Why a file could not be read, without Python's own words for it."""
    if isinstance(error, OSError):
        return f"cannot read {path}: {error.strerror}"
    return f"{path} is not UTF-8 text"
