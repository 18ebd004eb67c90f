"""People's words as they go on to the model: without the characters that nobody sees.

Control characters can hide words from the people who review a request (right-to-left overrides) or
stop a program that is handed them (NUL). Nothing else is changed: markup is escaped where it is
shown, in `messages.markdown`.
"""

from __future__ import annotations

import re

# C0 and C1 but for tab and line feed, zero-width marks, line separators, directional overrides and
# isolates, the byte order mark, and halves of a pair that no encoder takes.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def plain_text(text: str, limit_chars: int) -> str:
    """`text` with line feeds alone as line ends, without unseen characters, cut to the limit."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNSEEN.sub("", lines)[:limit_chars].strip()
