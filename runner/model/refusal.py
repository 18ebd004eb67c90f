"""What an endpoint's failure means, in one line that says what to do.

Owns the words. Never shows the key.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import openai

from runner.errors import EndpointError
from runner.model.presets import Service
from runner.one_line import one_line

MAX_REASON_CHARS = 300
# What OpenAI, DeepSeek, vLLM, SGLang and llama.cpp say, as seen in their issue trackers.
_TOO_LONG = re.compile(
    r"context_length_exceeded|context length|context size|context window|prompt is too long",
    re.IGNORECASE,
)


def is_too_long(error: BaseException) -> bool:
    """Whether the endpoint says that the prompt does not fit into the model's context."""
    if not isinstance(error, openai.APIStatusError) or error.status_code not in (400, 413, 422):
        return False
    if error.status_code == 413:
        return True
    return _TOO_LONG.search(f"{error.code} {error.message}") is not None


def refusal(error: Exception, service: Service, where: str, tries: int) -> EndpointError:
    """The error to raise for what a request failed with, after that many tries."""
    preset = service.preset
    if isinstance(error, openai.APIStatusError):
        status = error.status_code
        reason = _reason(_said(error), service)
        if status in (401, 403):
            message = f"{where} refused the key ({status}): check {preset.key_variable}"
            return EndpointError(message, kind="key", tries=tries)
        if status == 404:
            message = (
                f"{where} knows no model {service.model!r} (404): check KERNELWRIGHT_MODEL "
                f"and {preset.address_variable}"
            )
            return EndpointError(message, kind="model", tries=tries)
        if status == 402:
            message = f"{where} wants to be paid first (402): {reason}"
            return EndpointError(message, kind="balance", tries=tries)
        message = f"{where} answered {status} to model {service.model!r}{_after(tries)}: {reason}"
        passing = status in (408, 409, 429) or status >= 500
        return EndpointError(message, kind="unreachable" if passing else "request", tries=tries)
    cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else None
    reason = _reason(str(cause or error), service) or type(cause or error).__name__
    message = (
        f"no complete answer from {where}{_after(tries)}: {reason}; "
        f"check {preset.address_variable} and the network"
    )
    return EndpointError(message, kind="unreachable", tries=tries)


def with_names(error: EndpointError, wanted: str, served: Sequence[str]) -> EndpointError:
    """The error about an unknown model, with the names of those that are served."""
    close = difflib.get_close_matches(wanted, served, n=5, cutoff=0.3) or list(served[:5])
    names = one_line(", ".join(close), MAX_REASON_CHARS)
    message = f"{error}; it serves {names}" if names else str(error)
    return EndpointError(message, kind=error.kind, tries=error.tries)


def _said(error: openai.APIStatusError) -> str:
    """The endpoint's own words, without the JSON around them where that can be seen through."""
    body = error.body
    said = body.get("message") if isinstance(body, dict) else None
    return said if isinstance(said, str) else error.message


def _after(tries: int) -> str:
    return "" if tries == 1 else f" in {tries} tries"


def _reason(text: str, service: Service) -> str:
    # Some endpoints quote the key that they refuse.
    if service.api_key:
        text = text.replace(service.api_key, "[key]")
    return one_line(text, MAX_REASON_CHARS)
