"""What the workflows work with: GitHub, the settings that they need, the clock, the counters.

Owns nothing else. Made once at start, passed as a plain argument.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.github_api import GitHub, GitHubApp
from bot.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """`now_s` is Unix time in seconds; `sleep` waits that many seconds."""

    app: GitHubApp
    login: str
    run_deadline_s: float
    poll_interval_s: float
    run_lookup_grace_s: float
    progress_pace_s: float = 20.0
    running_deadline_s: float = 2 * 3600.0
    cancel_deadline_s: float = 900.0
    review_window_s: float = 60.0
    supersede_patience_s: float = 1800.0
    now_s: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    metrics: Metrics = field(default_factory=Metrics)

    def github(self, repository: str, installation_id: int | None) -> GitHub:
        return self.app.repository(repository, installation_id)
