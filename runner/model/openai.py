"""Answers from any OpenAI-compatible endpoint, streamed and made whole.

Owns the way from a prompt to an answer: the longest rendering that fits, an answer cut at a
length limit continued, one that was all thinking asked for again. Leaves requests to `Endpoint`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from runner.errors import EndpointError
from runner.model.endpoint import Endpoint, Errand
from runner.model.interface import Answer, Progress, Prompt
from runner.model.presets import Service
from runner.model.resume import Turn, first, go_on, join, think_less
from runner.model.retry import RetryPolicy
from runner.model.stream import Pieces
from runner.model.tokens import Meter, estimate_tokens

# An older server, or a proxy, may not know its vendor's own way of going on: a question it knows.
_UNKNOWN_WAY = frozenset({"request", "model"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """An answer so far. `text`: the rendering of the prompt; `asked`: with what was added to it.

    `stuck`: going on came to nothing, and will not another time.
    """

    text: str
    asked: str
    shortened: int
    reasoning: str
    content: str
    cut: bool
    stuck: bool = False

    @property
    def has_answer(self) -> bool:
        return bool(self.content.strip())


class OpenAIModel:
    """One model of one endpoint. Calls may overlap."""

    def __init__(self, service: Service, policy: RetryPolicy | None = None) -> None:
        self._service = service
        self._policy = policy or RetryPolicy()
        self._endpoint = Endpoint(service, self._policy)
        self._resume = service.preset.resume

    @property
    def name(self) -> str:
        return self._service.model

    async def answer(self, prompt: Prompt, progress: Progress | None = None) -> Answer:
        """Raises EndpointError only where there is no answer at all, not even one that was cut."""
        errand = Errand(
            attempt=prompt.attempt,
            deadline_s=time.monotonic() + prompt.time_left_s,
            meter=Meter(progress),
        )
        draft = await self._ask_fitting(prompt, errand)
        draft = await self._finish(draft, errand)
        return Answer(
            model=self.name,
            content=draft.content,
            reasoning=draft.reasoning,
            tokens=errand.spent.total(),
            cut=draft.cut,
            requests=errand.spent.requests,
            shortened=draft.shortened,
        )

    async def close(self) -> None:
        await self._endpoint.close()

    async def _ask_fitting(self, prompt: Prompt, errand: Errand) -> _Draft:
        """The answer to the longest rendering of the prompt that the model takes."""
        renderings = (prompt.text, *prompt.shorter)
        for shortened, text in enumerate(renderings):
            if not self._fits(text):
                continue
            try:
                pieces = await self._endpoint.ask(first(text), errand, patient=True)
            except EndpointError as error:
                if error.kind != "context":
                    raise
                continue
            reasoning, content = pieces.texts()
            return _Draft(
                text=text,
                asked=text,
                shortened=shortened,
                reasoning=reasoning,
                content=content,
                cut=pieces.cut,
            )
        tokens = estimate_tokens(len(renderings[-1]))
        raise EndpointError(
            f"the prompt is too long for the context of {self.name!r}: some {tokens} tokens at its "
            "shortest; use a model with more, or check KERNELWRIGHT_CONTEXT_TOKENS and "
            "KERNELWRIGHT_MAX_ANSWER_TOKENS",
            kind="context",
            tries=errand.spent.requests,
        )

    def _fits(self, text: str) -> bool:
        settings = self._service.settings
        if settings.context_tokens is None:
            return True
        room = settings.context_tokens - (settings.max_answer_tokens or 0)
        return estimate_tokens(len(text)) <= room

    async def _finish(self, draft: _Draft, errand: Errand) -> _Draft:
        """The draft without its cut, as far as policy and time allow; else as it is."""

        def unfinished() -> bool:
            return draft.cut and not draft.stuck and errand.time_left_s > 0

        for _ in range(self._policy.rethinks):
            if not unfinished() or draft.has_answer:
                break
            draft = await self._rethought(draft, errand)
        for _ in range(self._policy.continuations):
            if not unfinished() or not draft.has_answer:
                break
            draft = await self._continued(draft, errand)
        return draft

    async def _rethought(self, draft: _Draft, errand: Errand) -> _Draft:
        """The question asked again, with less thinking."""
        asked, turn = think_less(draft.text, dict(self._service.preset.less_thinking))
        pieces = await self._more(turn, errand)
        if isinstance(pieces, EndpointError):
            return replace(draft, stuck=True)
        reasoning, content = pieces.texts()
        return replace(
            draft,
            asked=asked,
            reasoning=_both(draft.reasoning, reasoning),
            content=content,
            cut=pieces.cut,
        )

    async def _continued(self, draft: _Draft, errand: Errand) -> _Draft:
        """The draft with more of its rest."""
        how = self._resume
        turn = go_on(how, draft.asked, draft.reasoning, draft.content)
        pieces = await self._more(turn, errand)
        if isinstance(pieces, EndpointError) and how != "turn" and pieces.kind in _UNKNOWN_WAY:
            how = "turn"
            turn = go_on(how, draft.asked, draft.reasoning, draft.content)
            pieces = await self._more(turn, errand)
        if isinstance(pieces, EndpointError):
            return replace(draft, stuck=True)
        self._resume = how
        reasoning, rest = pieces.texts()
        if how == "final_message":
            # vLLM's parser of R1 waits for a </think> that came long ago: the rest of the answer
            # arrives as thinking.
            reasoning, rest = "", reasoning + rest
        if not rest:
            return replace(draft, stuck=True)
        content = join(draft.content, rest) if how == "turn" else draft.content + rest
        return replace(
            draft, reasoning=_both(draft.reasoning, reasoning), content=content, cut=pieces.cut
        )

    async def _more(self, turn: Turn, errand: Errand) -> Pieces | EndpointError:
        """What follows the first answer; a refusal does not undo what has been paid for."""
        try:
            return await self._endpoint.ask(turn, errand)
        except EndpointError as error:
            return error


def _both(earlier: str, later: str) -> str:
    return "\n\n".join(part for part in (earlier, later) if part)
