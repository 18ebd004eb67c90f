"""Deliveries from GitHub: signature and parsing. Pure, no I/O.

Refuses to look into a body whose signature has not been checked.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from pydantic import ValidationError

from bot.errors import BadSignature
from bot.events import EVENT_TYPES, Event

# GitHub's own cap on a payload.
MAX_BODY_BYTES = 25 << 20
_PREFIX = "sha256="


def sign(body: bytes, secret: str) -> str:
    """The value of X-Hub-Signature-256 for the raw `body`."""
    return _PREFIX + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verify_signature(body: bytes, signature_header: str | None, secret: str) -> bool:
    """Whether `signature_header` (X-Hub-Signature-256) is the HMAC-SHA256 of the raw `body`."""
    if not signature_header or not signature_header.startswith(_PREFIX) or not secret:
        return False
    # As bytes: compare_digest refuses text beyond ASCII, which a header may hold.
    found = signature_header.encode("utf-8", "surrogateescape")
    return hmac.compare_digest(sign(body, secret).encode(), found)


def parse_delivery(
    body: bytes, *, signature_header: str | None, secret: str, event_name: str | None
) -> Event | None:
    """The event of a signed delivery, or None for one that the bot has no use for.

    None also where the body is not JSON or lacks what the event should carry: a payload that we
    cannot read is not an error that GitHub could mend. Raises BadSignature.
    """
    if not verify_signature(body, signature_header, secret):
        raise BadSignature("the signature is missing or wrong")
    model = EVENT_TYPES.get(event_name or "")
    if model is None:
        return None
    try:
        payload: Any = json.loads(body)
        return model.model_validate(payload)
    except (ValueError, RecursionError, ValidationError):
        return None
