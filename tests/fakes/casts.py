"""Who plays the service in a scene in which it is killed: one process, or two replicas.

A cast is started, armed (so that a process of it dies at a step) and recovers: the one process is
started again, or the other replica goes on. The rest of a scene is the same for both.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bot.standin import StandIn
from tests.fakes import live_service
from tests.fakes.front_door import FrontDoor
from tests.fakes.live_service import Service

# ("before" or "after", the step's name)
Moment = tuple[str, str]


class Cast(Protocol):
    """The service, whoever plays it."""

    def set(self, name: str, value: str) -> None:
        """Change a setting; before the next start."""
        ...

    def start(self) -> None: ...
    def arm(self, moment: Moment) -> None:
        """Start (anew) so that whoever comes to `moment` first is killed there."""
        ...

    def recover(self) -> None:
        """Wait for that death, and see to it that somebody goes on."""
        ...

    def until_idle(self, requests: int) -> None: ...
    def log(self) -> str: ...


@dataclass
class Alone:
    """One process, started again after its death."""

    service: Service

    def set(self, name: str, value: str) -> None:
        self.service.environment[name] = value

    def start(self) -> None:
        self.service.start()

    def arm(self, moment: Moment) -> None:
        self.service.stop()
        self.service.start(kill=moment)

    def recover(self) -> None:
        ended = self.service.wait()
        assert ended == -9, f"{ended}\n{self.log()}"
        self.service.start()

    def until_idle(self, requests: int) -> None:
        self.service.until_idle(requests)

    def log(self) -> str:
        return (self.service.state / "bot.log").read_text()


@dataclass
class Pair:
    """Two replicas on one Postgres; the survivor goes on, and the dead one never comes back."""

    replicas: list[Service]
    living: int = 0

    def set(self, name: str, value: str) -> None:
        for replica in self.replicas:
            replica.environment[name] = value

    def start(self) -> None:
        for replica in self.replicas:
            replica.start()

    def arm(self, moment: Moment) -> None:
        once = str(self.replicas[0].state / "killed")
        for replica in self.replicas:
            replica.stop()
        for replica in self.replicas:
            replica.start(kill=(*moment, once))

    def recover(self) -> None:
        for _, index in zip(range(3000), itertools.cycle(range(2)), strict=False):
            ended = self.replicas[index].wait(timeout_s=0.02)
            if ended is not None:
                assert ended == -9, f"{ended}\n{self.log()}"
                self.living = 1 - index
                return
        raise AssertionError(f"nobody was killed\n{self.log()}")

    def until_idle(self, requests: int) -> None:
        self.replicas[self.living].until_idle(requests)

    def log(self) -> str:
        return "\n".join((each.state / "bot.log").read_text() for each in self.replicas)


@contextlib.contextmanager
def two_replicas(
    github: StandIn, nursery: subprocess.Popen[str], folder: Path, database_url: str
) -> Iterator[list[Service]]:
    """Two services on one database; deliveries go to them in turn. Not started yet."""
    made = []
    for number in range(2):
        state = folder / str(number)
        state.mkdir()
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = live_service.environment(github, state, port) | {
            "KERNELWRIGHT_DATABASE_URL": database_url,
            "KERNELWRIGHT_REPLICA_INTERVAL_S": "0.1",
        }
        made.append(Service(nursery=nursery, environment=settings, state=state, port=port))
    door = FrontDoor([service.port for service in made])
    github.webhook_url = f"http://127.0.0.1:{door.port}/webhook"
    try:
        yield made
    finally:
        for service in made:
            service.stop()
        door.close()
