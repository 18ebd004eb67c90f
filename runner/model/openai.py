"""Answers from any OpenAI-compatible endpoint, streamed.

Owns the request, the retries and the words for what went wrong. One user message and no system
prompt: DeepSeek advises so for R1. Never shows the key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
from openai.types.chat import ChatCompletionChunk
from openai.types.completion_usage import CompletionUsage
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from runner.contract import TokenUsage
from runner.errors import ModelError
from runner.model.interface import Answer, Progress, Prompt
from runner.model.thinking import clean_text, split_thinking
from runner.one_line import one_line
from runner.settings import EndpointSettings

MAX_REASON_CHARS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often one answer is asked for, and the waits between (randomised, doubling)."""

    tries: int = 8
    first_wait_s: float = 1.0
    max_wait_s: float = 30.0


class _BrokenStream(Exception):
    """The stream ended before the endpoint said that the answer was complete."""


@dataclass(slots=True)
class _Pieces:
    """What a stream has brought so far."""

    content: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    usage: CompletionUsage | None = None
    finish_reason: str | None = None

    def add(self, chunk: ChatCompletionChunk) -> None:
        self.usage = chunk.usage or self.usage
        for choice in chunk.choices[:1]:
            self.finish_reason = choice.finish_reason or self.finish_reason
            self.content.append(choice.delta.content or "")
            # DeepSeek and NIM say reasoning_content, newer vLLM says reasoning; neither is in
            # the client's types.
            extra = choice.delta.model_extra or {}
            thought = extra.get("reasoning_content") or extra.get("reasoning") or ""
            self.reasoning.append(thought if isinstance(thought, str) else "")


class OpenAIModel:
    """One model of one endpoint. Raises ModelError when a key or an address is missing."""

    def __init__(
        self, model: str, endpoint: EndpointSettings, retries: RetryPolicy | None = None
    ) -> None:
        if endpoint.api_key is None and endpoint.base_url is None:
            raise ModelError(
                "OPENAI_API_KEY is not set: set it, or OPENAI_BASE_URL for an endpoint without keys"
            )
        self._model = model
        self._endpoint = endpoint
        self._retries = retries or RetryPolicy()
        idle_s = endpoint.idle_timeout_s
        try:
            self._client = openai.AsyncOpenAI(
                # A server of one's own takes any key, but the client insists on one.
                api_key=endpoint.api_key or "none",
                base_url=endpoint.base_url,
                # Retries are ours: the client's know nothing of the budget.
                max_retries=0,
                timeout=openai.Timeout(idle_s, connect=min(15.0, idle_s), write=60.0),
            )
        except (openai.OpenAIError, ValueError) as error:
            raise ModelError(f"cannot use the endpoint {endpoint.base_url!r}: {error}") from error

    @property
    def name(self) -> str:
        return self._model

    async def answer(self, prompt: Prompt, progress: Progress | None = None) -> Answer:
        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_transient),
            wait=self._wait_s,
            # The wait counts too: sleeping into the end of the budget buys nothing.
            stop=stop_after_attempt(self._retries.tries) | stop_before_delay(prompt.time_left_s),
            reraise=True,
        )
        try:
            pieces: _Pieces = await retrying(self._ask, prompt.text)
        except (openai.OpenAIError, httpx.HTTPError, _BrokenStream, ValueError) as error:
            raise ModelError(self._explain(error)) from error
        return self._assemble(pieces)

    async def close(self) -> None:
        await self._client.close()

    async def _ask(self, text: str) -> _Pieces:
        endpoint = self._endpoint
        options: dict[str, Any] = {
            "temperature": endpoint.temperature,
            "top_p": endpoint.top_p,
            "max_tokens": endpoint.max_answer_tokens,
        }
        stream = await self._client.chat.completions.create(
            model=self._model,
            messages=[{"role": "user", "content": text}],
            stream=True,
            stream_options={"include_usage": True},
            **{name: value for name, value in options.items() if value is not None},
        )
        pieces = _Pieces()
        async with stream:
            async for chunk in stream:
                pieces.add(chunk)
        if pieces.finish_reason is None:
            raise _BrokenStream("the stream ended before the answer did")
        return pieces

    def _assemble(self, pieces: _Pieces) -> Answer:
        reasoning = "".join(pieces.reasoning)
        thinking, content = split_thinking("".join(pieces.content))
        details = pieces.usage.completion_tokens_details if pieces.usage else None
        return Answer(
            model=self._model,
            content=clean_text(content),
            reasoning=clean_text("\n\n".join(part for part in (reasoning, thinking) if part)),
            tokens=TokenUsage(
                prompt_tokens=pieces.usage.prompt_tokens if pieces.usage else None,
                reasoning_tokens=details.reasoning_tokens if details else None,
                completion_tokens=pieces.usage.completion_tokens if pieces.usage else None,
            ),
            cut=pieces.finish_reason == "length",
        )

    def _wait_s(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = _retry_after_s(error) if error is not None else None
        if asked is not None:
            return asked
        policy = self._retries
        return wait_random_exponential(policy.first_wait_s, policy.max_wait_s)(state)

    def _explain(self, error: Exception) -> str:
        """One line on what went wrong and what to do about it."""
        where = str(self._client.base_url).rstrip("/")
        if isinstance(error, (openai.AuthenticationError, openai.PermissionDeniedError)):
            return f"{where} refused the key ({error.status_code}): check OPENAI_API_KEY"
        if isinstance(error, openai.NotFoundError):
            return (
                f"{where} knows no model {self._model!r} (404): check KERNELWRIGHT_MODEL "
                "and OPENAI_BASE_URL"
            )
        if isinstance(error, openai.APIStatusError):
            reason = one_line(error.message, MAX_REASON_CHARS)
            return f"{where} answered {error.status_code} to model {self._model!r}: {reason}"
        cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else None
        reason = one_line(str(cause or error), MAX_REASON_CHARS) or type(cause or error).__name__
        return f"no complete answer from {where}: {reason}; check OPENAI_BASE_URL and the network"


def _is_transient(error: BaseException) -> bool:
    """Whether the same request may well succeed a little later."""
    if isinstance(error, openai.APIStatusError):
        # 408 and 409: the server gave up waiting, or a lock was held.
        return error.status_code in (408, 409, 429) or error.status_code >= 500
    # An APIError without a status is an error event inside the stream; a ValueError is a piece of
    # a stream that is no JSON; httpx errors come up bare from older clients.
    return isinstance(error, (openai.APIError, httpx.TransportError, _BrokenStream, ValueError))


def _retry_after_s(error: BaseException) -> float | None:
    """Seconds the endpoint asks to wait. The header's other form, a date, is not used by any."""
    if not isinstance(error, openai.APIStatusError):
        return None
    try:
        wait_s = float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return wait_s if 0 <= wait_s < float("inf") else None
