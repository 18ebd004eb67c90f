"""From a model's specification (`deepseek`, `replay:FILE`, `record:FILE:SPEC`, …) to a model.

Owns the spelling of specifications. Opens nothing but what is named.
"""

from __future__ import annotations

from pathlib import Path

from runner.errors import ModelError
from runner.model.interface import Model
from runner.model.mailbox import MailboxModel
from runner.model.presets import PRESETS, service
from runner.model.record import RecordingModel
from runner.model.replay import ReplayModel
from runner.settings import EndpointSettings

FORMS = (
    "deepseek, nim or vllm (or deepseek:MODEL …), openai:MODEL or a bare model name, "
    "mailbox:DIR, replay:FILE, record:FILE:MODEL"
)
_KINDS = ("record", "replay", "mailbox", *PRESETS)


def open_model(spec: str, endpoint: EndpointSettings, *, generation: int) -> Model:
    """The model that `spec` names. Raises ModelError with what to do about it."""
    kind, colon, rest = spec.strip().partition(":")
    if not kind:
        raise ModelError(f"no model is named: use {FORMS}")
    if kind in _KINDS and ((colon and not rest) or (not colon and not _stands_alone(kind))):
        raise ModelError(f"the model {spec!r} names nothing after the colon: use {FORMS}")
    if kind == "record" and colon:
        return _recorded(rest, endpoint, generation)
    if kind == "replay" and colon:
        return ReplayModel(Path(rest), generation)
    if kind == "mailbox" and colon:
        return MailboxModel(Path(rest), name=endpoint.mailbox_name)
    # A bare name may hold a colon of its own ("llama3:70b").
    preset, model = (kind, rest) if kind in PRESETS else ("openai", spec.strip())
    reached = service(preset, model, endpoint)
    # Imported late: the client takes most of a second, and a replay needs none of it.
    from runner.model.openai import OpenAIModel

    return OpenAIModel(reached)


def _stands_alone(kind: str) -> bool:
    return kind in PRESETS and PRESETS[kind].default_model is not None


def _recorded(rest: str, endpoint: EndpointSettings, generation: int) -> Model:
    file, colon, inner = rest.partition(":")
    if not (file and colon and inner):
        raise ModelError(f"the model 'record:{rest}' is incomplete: use record:FILE:MODEL")
    return RecordingModel(
        open_model(inner, endpoint, generation=generation), Path(file), generation
    )
