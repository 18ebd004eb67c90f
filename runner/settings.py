"""The runner's settings: the only place on this side that reads the environment.

Owns names, defaults and the checks of values. Starts nothing; a bad value is one line that names
the variable.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field

from runner.errors import RunnerError
from runner.prices import PriceTable, read_prices

_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"", "0", "false", "no", "off"})


# Each endpoint has a key and an address of its own; none goes to another (`runner.model.presets`).
KEYS = ("OPENAI_API_KEY", "DEEPSEEK_API_KEY", "NVIDIA_API_KEY", "VLLM_API_KEY")
ADDRESSES = ("OPENAI_BASE_URL", "DEEPSEEK_BASE_URL", "NVIDIA_BASE_URL", "VLLM_BASE_URL")
# What GitHub gives to a job with `id-token: write`: whoever has both can speak as that job.
JOB_IDENTITY = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
SAMPLING = {"temperature": "KERNELWRIGHT_TEMPERATURE", "top_p": "KERNELWRIGHT_TOP_P"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """How to reach OpenAI-compatible endpoints, and how to draw from their models.

    `keys` and `addresses` are by the name of their variable. `sampling` is what the environment
    says in place of a preset's own; `None` leaves a parameter out of the request, for models that
    refuse it. `idle_timeout_s` bounds the silence between two pieces of a stream, not the whole
    answer. `context_tokens`: prompt and answer together; None leaves it to the endpoint to say.
    """

    # Not in the repr: settings get logged.
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    addresses: Mapping[str, str] = field(default_factory=dict)
    sampling: Mapping[str, float | None] = field(default_factory=dict)
    max_answer_tokens: int | None = 32_768
    context_tokens: int | None = None
    idle_timeout_s: float = 300.0
    mailbox_name: str = "mailbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressSettings:
    """Where live progress goes, and how this job gets a token; empty where it has no such right."""

    url: str
    audience: str
    token_request_url: str = ""
    token_request_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says. Command-line flags win over it."""

    model: str | None = None
    allow_no_sandbox: bool = False
    show_traceback: bool = False
    endpoint: EndpointSettings = EndpointSettings()
    prices: PriceTable = field(default_factory=dict)
    progress: ProgressSettings | None = None


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from the variables documented in the README. Raises RunnerError on a bad value."""
    return Settings(
        model=_text(environ, "KERNELWRIGHT_MODEL"),
        allow_no_sandbox=_flag(environ, "KERNELWRIGHT_ALLOW_NO_SANDBOX"),
        show_traceback=_flag(environ, "KERNELWRIGHT_TRACEBACK"),
        endpoint=_endpoint(environ),
        prices=_prices(environ),
        progress=_progress(environ),
    )


def forget_job_identity(environ: MutableMapping[str, str]) -> None:
    """Take the job's identity out of the environment: no child process may inherit it."""
    for name in JOB_IDENTITY:
        environ.pop(name, None)


def for_workers(environ: Mapping[str, str]) -> dict[str, str]:
    """What of the environment a worker on another machine must have to do as this one would."""
    own = {name: text for name, text in environ.items() if name.startswith("KERNELWRIGHT_")}
    return {**own, **_stated(environ, KEYS + ADDRESSES)}


def ray_address(environ: Mapping[str, str]) -> str | None:
    """Where the Ray cluster is, as Ray itself reads it; None: nobody said."""
    return _text(environ, "RAY_ADDRESS")


def _endpoint(environ: Mapping[str, str]) -> EndpointSettings:
    answer_tokens = _count(environ, "KERNELWRIGHT_MAX_ANSWER_TOKENS", 32_768)
    context_tokens = _count(environ, "KERNELWRIGHT_CONTEXT_TOKENS", None)
    if context_tokens is not None and (answer_tokens or 0) >= context_tokens:
        raise RunnerError(
            f"KERNELWRIGHT_MAX_ANSWER_TOKENS={answer_tokens} leaves no room for a prompt in "
            f"KERNELWRIGHT_CONTEXT_TOKENS={context_tokens}"
        )
    return EndpointSettings(
        keys=_stated(environ, KEYS),
        addresses=_stated(environ, ADDRESSES),
        sampling={
            parameter: _number(environ, name, None)
            for parameter, name in SAMPLING.items()
            if _text(environ, name) is not None
        },
        max_answer_tokens=answer_tokens,
        context_tokens=context_tokens,
        idle_timeout_s=_seconds(environ, "KERNELWRIGHT_IDLE_TIMEOUT_S", 300.0),
        mailbox_name=_text(environ, "KERNELWRIGHT_MAILBOX_NAME") or "mailbox",
    )


def _prices(environ: Mapping[str, str]) -> PriceTable:
    try:
        return read_prices(environ.get("KERNELWRIGHT_PRICES", ""))
    except RunnerError as error:
        raise RunnerError(f"KERNELWRIGHT_PRICES: {error}") from error


def _progress(environ: Mapping[str, str]) -> ProgressSettings | None:
    url = _text(environ, "KERNELWRIGHT_PROGRESS_URL")
    if url is None:
        return None
    request_url, request_token = (_text(environ, name) or "" for name in JOB_IDENTITY)
    return ProgressSettings(
        url=url,
        audience=_text(environ, "KERNELWRIGHT_OIDC_AUDIENCE") or "kernelwright",
        token_request_url=request_url,
        token_request_token=request_token,
    )


def _text(environ: Mapping[str, str], name: str) -> str | None:
    """The variable's value; one that is empty counts as unset."""
    return environ.get(name, "").strip() or None


def _stated(environ: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name in names if (value := _text(environ, name)) is not None}


def _flag(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name, "").strip().lower()
    if value in _YES:
        return True
    if value in _NO:
        return False
    raise RunnerError(f"{name}={value!r} is neither yes nor no: set 1 or 0")


def _number(environ: Mapping[str, str], name: str, default: float | None) -> float | None:
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


def _count(environ: Mapping[str, str], name: str, default: int | None) -> int | None:
    value = _number(environ, name, default)
    if value is None:
        return None
    if value < 1 or value != int(value):
        raise RunnerError(f"{name}={value:g} should be a whole number above zero")
    return int(value)
