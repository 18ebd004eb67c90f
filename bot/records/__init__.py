"""What the durable workflows keep: their inputs and the results of their steps.

These live in the database across restarts and upgrades, so they are wire types: frozen, closed to
unknown fields, plain JSON. A field added later needs a default.
"""

from __future__ import annotations

from bot.records.admitted import (
    Admission,
    Choice,
    ConfigRead,
    FaultRow,
    Opening,
    RunStarted,
    Silenced,
)
from bot.records.asked import (
    Asked,
    Decision,
    Delivery,
    NightEnded,
    Regenerate,
    RunMoved,
    Start,
    Usage,
    Voice,
    with_voices,
)
from bot.records.base import Record
from bot.records.requested import Ended, Job, Latest, Note, Request, Standing, VerifyJob
from bot.records.worked import (
    Collected,
    Committed,
    Dispatched,
    Prepared,
    Published,
    Queue,
    RunNews,
    RunState,
    Stopping,
)

__all__ = [
    "Admission",
    "Asked",
    "Choice",
    "Collected",
    "Committed",
    "ConfigRead",
    "Decision",
    "Delivery",
    "Dispatched",
    "Ended",
    "FaultRow",
    "Job",
    "Latest",
    "NightEnded",
    "Note",
    "Opening",
    "Prepared",
    "Published",
    "Queue",
    "Record",
    "Regenerate",
    "Request",
    "RunMoved",
    "RunNews",
    "RunStarted",
    "RunState",
    "Silenced",
    "Standing",
    "Start",
    "Stopping",
    "Usage",
    "VerifyJob",
    "Voice",
    "with_voices",
]
