"""Several replicas on one Postgres: who lives, who is gone, and one choice at a time.

Owns the advisory locks by which replicas know of each other. A replica holds the lock of its own id
through one session for as long as it lives, so the database itself says when it is gone: at once
after a SIGKILL, and without comparing clocks. Knows nothing of what the replicas work on.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg

log = logging.getLogger(__name__)
_EXIT_LOST = 75  # sysexits.h, EX_TEMPFAIL: start me again
# Against a network that swallows packets. The replica must know of the loss before the server does,
# or another would begin on its work while it is still at it: 6 s here, 25 s there.
_CONNECT: dict[str, str] = {
    "application_name": "kernelwright replica",
    "connect_timeout": "10",
    "tcp_user_timeout": "6000",
    "options": "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",
}


def end_process() -> None:
    """Stop at once: whatever this process still does, another replica may do again."""
    logging.shutdown()
    os._exit(_EXIT_LOST)


class Replica:
    """This process among the replicas. `join` comes first, `leave` last.

    `owners` gives the ids of replicas that hold unfinished work; `take_over` is called with each
    that is gone, by one survivor at a time. `on_lost` is called where this one is no longer known
    to live, and must not return to work.
    """

    def __init__(
        self,
        url: str,
        replica_id: str,
        *,
        interval_s: float,
        owners: Callable[[], set[str]],
        take_over: Callable[[str], None],
        on_lost: Callable[[], None] = end_process,
    ) -> None:
        self.replica_id = replica_id
        self._url = url
        self._interval_s = interval_s
        self._owners = owners
        self._take_over = take_over
        self._on_lost = on_lost
        self._session: psycopg.Connection | None = None
        self._suspects: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="replica-watch", daemon=True)
        self._choosing = threading.Lock()

    def join(self) -> None:
        """Hold this replica's lock; before it owns any work. Raises psycopg.Error."""
        self._session = self._connect()
        if not self._try_lock(self._session, self.replica_id):
            raise RuntimeError(f"a replica with the id {self.replica_id} is running already")

    def watch(self) -> None:
        """Begin to look after the others."""
        self._thread.start()

    def stop_watching(self) -> None:
        """Begin no take-over any more; still known to live."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def leave(self) -> None:
        """Let the others have what is unfinished here."""
        self.stop_watching()
        if self._session is not None:
            self._session.close()

    @contextmanager
    def choosing(self) -> Iterator[None]:
        """One holder among all threads of all replicas."""
        # A session of its own: locks are re-entrant within a session, and the watch needs its one.
        with self._choosing, self._connect() as session:
            session.execute("SELECT pg_advisory_lock(%s)", (lock_key("choosing"),))
            yield

    def look(self) -> None:
        """Take over from every replica that was found gone in two looks running.

        Two, because after a restart of the database all locks are free for a moment: one interval
        is what the others need to find out and end. Raises psycopg.Error where our session is lost.
        """
        session = self._session
        if session is None:
            raise RuntimeError("join comes first")
        session.execute("SELECT 1")
        gone: set[str] = set()
        for owner in self._owners() - {self.replica_id}:
            if not self._try_lock(session, owner):
                continue
            try:
                gone.add(owner)
                if owner in self._suspects:
                    log.warning("replica %s is gone: taking over its work", owner)
                    self._take_over(owner)
            finally:
                session.execute("SELECT pg_advisory_unlock(%s)", (_replica_key(owner),))
        self._suspects = gone

    def _watch(self) -> None:
        while not self._stop.wait(self._interval_s):
            try:
                self.look()
            except psycopg.Error:
                log.critical("the database session of replica %s is lost", self.replica_id)
                self._on_lost()
                return
            except Exception:
                # The edge of a background task: the next look comes in any case.
                log.exception("looking after the other replicas failed")

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self._url, autocommit=True, **_CONNECT)  # type: ignore[arg-type]

    @staticmethod
    def _try_lock(session: psycopg.Connection, replica_id: str) -> bool:
        query: LiteralString = "SELECT pg_try_advisory_lock(%s)"
        row = session.execute(query, (_replica_key(replica_id),)).fetchone()
        return bool(row and row[0])


def lock_key(name: str) -> int:
    """The 64-bit number under which Postgres knows the lock of that name."""
    digest = hashlib.sha256(f"kernelwright\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _replica_key(replica_id: str) -> int:
    return lock_key(f"replica\0{replica_id}")
