"""Lists that lag behind: what was made a moment ago is not in them yet.

Owns when each thing was made, by its id. A read of the thing itself is never late.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.standin.api.call import Reply


class LateLists:
    """What was made through the API, and when."""

    def __init__(self) -> None:
        self._made_s: dict[int, float] = {}

    def show(self, method: str, reply: Reply, delay_s: float) -> Reply:
        """`reply` as it is seen where lists lag `delay_s` behind."""
        data = reply.data
        if method == "POST" and isinstance(data, Mapping):
            self._made_s[data.get("id") or data.get("workflow_run_id") or 0] = time.monotonic()
        if method != "GET" or not delay_s:
            return reply
        if isinstance(data, list):
            return replace(reply, data=self._old(data, delay_s))
        if isinstance(data, Mapping) and "total_count" in data:
            shown = {
                k: self._old(v, delay_s) if isinstance(v, list) else v for k, v in data.items()
            }
            return replace(reply, data=shown)
        return reply

    def _old(self, rows: list[Any], delay_s: float) -> list[Any]:
        newest_s = time.monotonic() - delay_s
        return [row for row in rows if self._made_s.get(row.get("id", 0), 0.0) <= newest_s]
