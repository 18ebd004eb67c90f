"""Several replicas on one Postgres: who is alive, who is gone, who may choose."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from bot.replicas import Replica, lock_key

pytestmark = pytest.mark.postgres


class Team:
    """Replicas on one database, and what each has taken over."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.owners: set[str] = set()
        self.taken: list[tuple[str, str]] = []
        self.lost: list[str] = []
        self._members: list[Replica] = []

    def join(self, name: str, interval_s: float = 0.05) -> Replica:
        replica = Replica(
            self.url, name, interval_s=interval_s, owners=lambda: set(self.owners),
            take_over=lambda gone: self.taken.append((name, gone)),
            on_lost=lambda: self.lost.append(name),
        )  # fmt: skip
        replica.join()
        self._members.append(replica)
        return replica

    def end(self, replica: Replica) -> None:
        """As a killed process ends: the server frees its lock, a moment later."""
        before = self._locks()
        replica.leave()
        until(lambda: self._locks() < before)

    def _locks(self) -> int:
        query = (
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
            "WHERE locktype = 'advisory' AND datname = current_database()"
        )
        with psycopg.connect(self.url) as session:
            row = session.execute(query).fetchone()
            assert row is not None
            return int(row[0])

    def leave(self) -> None:
        for member in self._members:
            member.leave()


@pytest.fixture
def team(database_url: str) -> Iterator[Team]:
    made = Team(database_url)
    yield made
    made.leave()


def until(condition: Callable[[], Any]) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s, "waited too long"
        time.sleep(0.01)


def test_who_lives_keeps_its_work(team: Team) -> None:
    one, other = team.join("one"), team.join("other")
    team.owners = {"one", "other"}
    for _ in range(3):
        one.look()
        other.look()
    assert team.taken == []


def test_who_is_gone_is_taken_over_at_the_second_look(team: Team) -> None:
    one, gone = team.join("one"), team.join("gone")
    team.owners = {"one", "gone"}
    one.look()
    team.end(gone)
    one.look()
    assert team.taken == []
    one.look()
    assert team.taken == [("one", "gone")]


def test_who_comes_back_between_two_looks_is_left_alone(team: Team) -> None:
    one, slow = team.join("one"), team.join("slow")
    team.owners = {"slow"}
    team.end(slow)
    one.look()
    team.join("slow")
    one.look()
    one.look()
    assert team.taken == []


def test_a_replica_that_nobody_knows_of_is_gone(team: Team) -> None:
    one = team.join("one")
    team.owners = {"local"}  # what a process without replicas calls itself
    one.look()
    one.look()
    assert team.taken == [("one", "local")]


def test_one_survivor_at_a_time_takes_over(team: Team) -> None:
    one, other = team.join("one"), team.join("other")
    team.owners = {"gone"}
    during: list[list[tuple[str, str]]] = []

    def slowly(gone: str) -> None:
        other.look()
        during.append(list(team.taken))
        team.taken.append(("one", gone))
        team.owners.clear()

    one._take_over = slowly
    one.look()
    other.look()
    one.look()
    other.look()
    assert during == [[]]
    assert team.taken == [("one", "gone")]


def test_two_replicas_of_one_id_are_refused(team: Team) -> None:
    team.join("one")
    with pytest.raises(RuntimeError, match="running already"):
        team.join("one")


def test_a_replica_whose_session_is_cut_off_ends_itself(team: Team) -> None:
    team.join("one").watch()
    with psycopg.connect(team.url, autocommit=True) as session:
        ended = session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'kernelwright replica' AND datname = current_database()"
        ).fetchall()
    assert len(ended) == 1
    until(lambda: team.lost == ["one"])


def test_a_failed_look_is_followed_by_the_next(team: Team) -> None:
    looks: list[int] = []

    def owners() -> set[str]:
        looks.append(1)
        raise OSError("the pool is empty")

    one = team.join("one", interval_s=0.01)
    one._owners = owners
    one.watch()
    until(lambda: len(looks) >= 3)
    assert team.lost == []


def test_one_thread_of_one_replica_chooses_at_a_time(team: Team) -> None:
    replicas = [team.join("one"), team.join("other")]
    inside: list[int] = []
    most: list[int] = []

    def choose(replica: Replica) -> None:
        for _ in range(5):
            with replica.choosing():
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.002)
                inside.pop()

    threads = [threading.Thread(target=choose, args=(replica,)) for replica in replicas * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 20


def test_a_choice_that_fails_lets_the_next_choose(team: Team) -> None:
    one, other = team.join("one"), team.join("other")
    with pytest.raises(ValueError, match="odd"), one.choosing():
        raise ValueError("odd")
    with other.choosing():
        pass


def test_lock_keys_are_postgres_bigints_and_differ() -> None:
    keys = {lock_key(f"replica\0{number}") for number in range(1_000)}
    assert len(keys) == 1_000
    assert all(-(2**63) <= key < 2**63 for key in keys)
