"""One OpenAI-compatible endpoint: a request goes out, and comes back whole or as a refusal.

Owns the client, the stream and the silence that is too long. Decides nothing about answers.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field

import openai

from runner.errors import EndpointError, ModelError
from runner.model.http import httpx
from runner.model.presets import Service
from runner.model.refusal import is_too_long, refusal, with_names
from runner.model.resume import Turn
from runner.model.retry import RetryPolicy, retrying
from runner.model.stream import BrokenStream, Pieces
from runner.model.tokens import Meter, Spent
from runner.model.utf8 import HEADERS, repair

# For the list of models that a refusal quotes: worth a moment, no more.
_LIST_S = 5.0
_END = object()
_FAILURES = (openai.OpenAIError, httpx.HTTPError, BrokenStream, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """The work on one answer: until when (`time.monotonic`), what it cost, who is told."""

    attempt: int
    deadline_s: float
    meter: Meter
    spent: Spent = field(default_factory=Spent)

    @property
    def time_left_s(self) -> float:
        return self.deadline_s - time.monotonic()


class Endpoint:
    """One model of one endpoint. Raises ModelError where the address is none."""

    def __init__(self, service: Service, policy: RetryPolicy) -> None:
        self._service = service
        self._policy = policy
        self._run_id = uuid.uuid4().hex
        self._answered = False
        self._idle_s = service.settings.idle_timeout_s
        try:
            self._client = openai.AsyncOpenAI(
                # A server of one's own takes any key, but the client insists on one.
                api_key=service.api_key or "none",
                base_url=service.base_url,
                # Retries are ours: the client's know nothing of the budget.
                max_retries=0,
                timeout=self._timeout(),
                default_headers=HEADERS,
                http_client=openai.DefaultAsyncHttpxClient(event_hooks={"response": [repair]}),
            )
        except (openai.OpenAIError, httpx.InvalidURL, ValueError) as error:
            raise ModelError(f"cannot use the endpoint {service.base_url!r}: {error}") from error
        self._where = str(self._client.base_url).rstrip("/")
        self._beta = self._client.with_options(base_url=f"{self._where}/beta")

    async def ask(self, turn: Turn, errand: Errand, *, patient: bool = False) -> Pieces:
        """The whole stream that answers `turn`, after as many tries as policy and time allow.

        `patient`: nothing is lost by waiting, so an endpoint that has answered before gets more
        tries; one that never did is rather named wrongly. Raises EndpointError; its kind is
        `context` where the prompt is too long for the model.
        """
        tries = 0

        async def once() -> Pieces:
            nonlocal tries
            tries += 1
            return await self._stream(turn, errand)

        try:
            patience = self._policy.patience if patient and self._answered else 1
            tries_at_most = self._policy.tries * patience
            repeat = retrying(self._policy, tries_at_most, errand.time_left_s)
            pieces: Pieces = await repeat(once)
        except _FAILURES as error:
            if is_too_long(error):
                message = f"the prompt is too long for {self._service.model!r} at {self._where}"
                raise EndpointError(message, kind="context", tries=tries) from error
            refused = refusal(error, self._service, self._where, tries)
            if refused.kind == "model":
                refused = with_names(refused, self._service.model, await self._models())
            raise refused from error
        self._answered = True
        return pieces

    async def close(self) -> None:
        await self._client.close()

    async def _stream(self, turn: Turn, errand: Errand) -> Pieces:
        client = self._beta if turn.beta else self._client
        # A name for the endpoint's logs (OpenAI's API reference, "Debugging requests").
        tag = f"{self._run_id}-{errand.attempt}-{errand.spent.requests + 1}"
        pieces, complete = Pieces(), False
        try:
            # Below the client's typed method: its objects cost 70 of 100 microseconds a piece
            # (measured with 8 streams), and tell less than the JSON, thinking above all.
            stream = await client.post(
                "/chat/completions",
                cast_to=object,
                body=self._body(turn),
                options={"headers": {"X-Client-Request-Id": tag}},
                stream=True,
                stream_cls=openai.AsyncStream[object],
            )
            async with stream:
                await self._read(stream, pieces, errand.meter)
            pieces.check_end()
            complete = True
        finally:
            usage = pieces.usage
            errand.spent.add(usage, complete=complete)
        errand.meter.finish(usage, *pieces.chars)
        return pieces

    def _body(self, turn: Turn) -> dict[str, object]:
        limit = self._service.settings.max_answer_tokens
        return {
            "model": self._service.model,
            "messages": list(turn.messages),
            "stream": True,
            "stream_options": {"include_usage": True},
            **self._service.sampling,
            **({} if limit is None else {"max_tokens": limit}),
            **turn.extra,
        }

    async def _read(self, stream: openai.AsyncStream[object], pieces: Pieces, meter: Meter) -> None:
        events = aiter(stream)
        while True:
            # Not only the connection's silence: keep-alive comments bring no token either.
            try:
                async with asyncio.timeout(self._idle_s):
                    event = await anext(events, _END)
            except TimeoutError as error:
                raise BrokenStream(f"the stream fell silent for {self._idle_s:g} s") from error
            if event is _END:
                return
            pieces.add(event)
            meter.update(*pieces.chars)

    async def _models(self) -> list[str]:
        """The names that the endpoint serves; none where it does not say."""
        try:
            page = await self._client.get(
                "/models", cast_to=object, options={"timeout": _LIST_S, "max_retries": 0}
            )
        except _FAILURES:
            return []
        rows = page.get("data") if isinstance(page, dict) else None
        names = [row.get("id") for row in rows or [] if isinstance(row, dict)]
        return [name for name in names if isinstance(name, str)]

    def _timeout(self) -> openai.Timeout:
        return openai.Timeout(self._idle_s, connect=min(15.0, self._idle_s), write=60.0)
