"""The runner's settings: the only place on this side that reads the environment.

Owns names, defaults and the checks of values. Starts nothing; a bad value is one line that names
the variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.errors import RunnerError

_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """How to reach an OpenAI-compatible endpoint, and how to draw from its model.

    Temperature and top-p are what DeepSeek publishes for R1; `None` leaves a parameter out of the
    request, for models that refuse it. `idle_timeout_s` bounds the silence between two pieces of
    a stream, not the whole answer.
    """

    base_url: str | None = None
    # Not in the repr: settings get logged.
    api_key: str | None = field(default=None, repr=False)
    temperature: float | None = 0.6
    top_p: float | None = 0.95
    max_answer_tokens: int | None = 32_768
    idle_timeout_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says. Command-line flags win over it."""

    model: str | None = None
    allow_no_sandbox: bool = False
    show_traceback: bool = False
    endpoint: EndpointSettings = EndpointSettings()


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from the variables documented in the README. Raises RunnerError on a bad value."""
    return Settings(
        model=environ.get("KERNELWRIGHT_MODEL", "").strip() or None,
        allow_no_sandbox=_flag(environ, "KERNELWRIGHT_ALLOW_NO_SANDBOX"),
        show_traceback=_flag(environ, "KERNELWRIGHT_TRACEBACK"),
        endpoint=EndpointSettings(
            base_url=environ.get("OPENAI_BASE_URL", "").strip() or None,
            api_key=environ.get("OPENAI_API_KEY", "").strip() or None,
            temperature=_number(environ, "KERNELWRIGHT_TEMPERATURE", 0.6),
            top_p=_number(environ, "KERNELWRIGHT_TOP_P", 0.95),
            max_answer_tokens=_count(environ, "KERNELWRIGHT_MAX_ANSWER_TOKENS", 32_768),
            idle_timeout_s=_seconds(environ, "KERNELWRIGHT_IDLE_TIMEOUT_S", 300.0),
        ),
    )


def _flag(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name, "").strip().lower()
    if value in _YES:
        return True
    if value in _NO:
        return False
    raise RunnerError(f"{name}={value!r} is neither yes nor no: set 1 or 0")


def _number(environ: Mapping[str, str], name: str, default: float) -> float | None:
    """A number of zero or more; 'none' leaves the parameter out."""
    text = environ.get(name, "").strip()
    if not text:
        return default
    if text.lower() == "none":
        return None
    try:
        value = float(text)
    except ValueError:
        raise RunnerError(f"{name}={text!r} is not a number (or 'none')") from None
    if not 0 <= value < float("inf"):
        raise RunnerError(f"{name}={text!r} should be zero or more")
    return value


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    value = _number(environ, name, default)
    if not value:
        raise RunnerError(f"{name} should be a number of seconds above zero")
    return value


def _count(environ: Mapping[str, str], name: str, default: int) -> int | None:
    value = _number(environ, name, default)
    if value is None:
        return None
    if value < 1 or value != int(value):
        raise RunnerError(f"{name}={value:g} should be a whole number above zero")
    return int(value)
