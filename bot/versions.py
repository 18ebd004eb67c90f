"""Which version of the workflows this code is, and which unfinished ones are for it to go on with.

Owns the version, the look at what another version left, and the take-over from a replica. With
`durable`, `durable_steps` and `kept_requests` the only module that imports DBOS.
"""

from __future__ import annotations

import logging
from collections import Counter

from dbos import DBOS, WorkflowStatus

from bot.kept_requests import UNFINISHED

log = logging.getLogger(__name__)

# A workflow that goes on after a restart finds its results by their position. So a version stands
# for the order of the steps, waits and starts of every workflow: whoever adds one, takes one out or
# moves one must raise it (tests/bot/test_step_order.py), unless the change is behind `DBOS.patch`,
# which keeps the old order for what was begun with it. DBOS recovers, and takes from the queue,
# only what the same version began. The rest waits for a process of its own version: during an
# upgrade both may run on one Postgres, each with its own; on SQLite requests under way end first.
# Fixed by hand, for DBOS's own default changes with every edit of the code.
# There has been no release yet, so no database holds another order: the first release is "1".
APPLICATION_VERSION = "1"


def unfinished(*names: str) -> list[WorkflowStatus]:
    """What this version has begun and not ended; of these workflows only, where they are named."""
    return DBOS.list_workflows(
        name=list(names) or None,
        status=UNFINISHED,
        app_version=APPLICATION_VERSION,
        load_input=False,
        load_output=False,
    )


def left_behind() -> Counter[str]:
    """How many unfinished workflows each other version has; says so in the log."""
    rows = DBOS.list_workflows(status=UNFINISHED, load_input=False, load_output=False)
    others = (row.app_version or "none" for row in rows if row.app_version != APPLICATION_VERSION)
    found = Counter(others)
    for version, count in found.items():
        log.warning(
            "%d unfinished workflows are of version %s, and this is version %s: they go on only "
            "in a process of their own version, so run one until they have ended",
            count,
            version,
            APPLICATION_VERSION,
        )
    return found


def owners() -> set[str]:
    """The replicas that have unfinished work of this version, alive or not."""
    return {row.executor_id for row in unfinished() if row.status == "PENDING" and row.executor_id}


def take_over(replica_id: str) -> None:
    """Go on with what that replica, which is gone, has left."""
    # DBOS's own recovery, which its control plane calls in the same case; it has no public name.
    # It moves only rows that are still that replica's, so doing it twice does nothing.
    DBOS._recover_pending_workflows([replica_id])
