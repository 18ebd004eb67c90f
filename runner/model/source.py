"""From a model's specification (`replay:FILE`, `mailbox:DIR`, `openai:NAME`) to a model.

Owns the spelling of specifications. Opens nothing but what is named.
"""

from __future__ import annotations

from pathlib import Path

from runner.errors import ModelError
from runner.model.interface import Model
from runner.model.mailbox import MailboxModel
from runner.model.replay import ReplayModel
from runner.settings import EndpointSettings

FORMS = "replay:FILE, mailbox:DIR, openai:MODEL or a bare model name"


def open_model(spec: str, endpoint: EndpointSettings, *, generation: int) -> Model:
    """The model that `spec` names. Raises ModelError with what to do about it."""
    kind, colon, rest = spec.partition(":")
    if colon and kind in ("replay", "mailbox", "openai") and not rest:
        raise ModelError(f"the model {spec!r} names nothing after the colon: use {FORMS}")
    if kind == "replay" and colon:
        return ReplayModel(Path(rest), generation)
    if kind == "mailbox" and colon:
        return MailboxModel(Path(rest))
    if not spec.strip():
        raise ModelError(f"no model is named: use {FORMS}")
    # Imported late: the client takes most of a second, and a replay needs none of it.
    from runner.model.openai import OpenAIModel

    # A bare name may hold a colon of its own ("llama3:70b").
    return OpenAIModel(rest if kind == "openai" and colon else spec, endpoint)
