"""Warm workers: who is started when, who gets whom, and that all of them end."""

from __future__ import annotations

import threading

import pytest

from runner.errors import RunnerError
from runner.verifier.pool import WorkerPool


class FakeWorker:
    """Lives until it is killed; may be closed once."""

    def __init__(self, role):
        self.role = role
        self.living, self.closed = True, False

    def alive(self):
        return self.living

    def kill(self):
        self.living = False

    def close(self):
        assert not self.closed
        self.kill()
        self.closed = True


@pytest.fixture
def started():
    return []


@pytest.fixture
def pool(started):
    def start(role):
        started.append(FakeWorker(role))
        return started[-1]

    return WorkerPool(start, spares=2)


def test_spares_are_started_before_anybody_asks(pool, started):
    pool.restock("candidate", "reference")
    assert [worker.role for worker in started] == ["candidate"] * 2 + ["reference"] * 2
    pool.restock("candidate", "reference")
    assert len(started) == 4


def test_the_oldest_spare_is_taken_first_and_no_other_role(pool, started):
    pool.restock("reference", "candidate")
    assert pool.take("candidate") is started[2]
    assert pool.take("candidate") is started[3]
    assert len(started) == 4


def test_without_a_spare_one_is_started(pool, started):
    assert pool.take("candidate") is started[0]


def test_a_taken_worker_is_given_to_nobody_else(pool):
    pool.restock("candidate")
    taken = [pool.take("candidate") for _ in range(4)]
    assert len(set(taken)) == 4
    pool.retire(taken[0])
    assert taken[0].closed
    assert pool.take("candidate") not in taken


def test_a_spare_that_died_while_it_waited_is_closed_and_left_out(pool, started):
    pool.restock("candidate")
    started[0].kill()
    assert pool.take("candidate") is started[1]
    assert started[0].closed
    pool.restock("candidate")
    for worker in started[2:]:
        worker.kill()
    assert pool.take("candidate").alive()


def test_only_workers_in_use_and_of_the_role_are_killed(pool, started):
    pool.restock("candidate", "reference")
    candidate, reference = pool.take("candidate"), pool.take("reference")
    pool.kill_taken("candidate", "compiler")
    assert not candidate.alive()
    assert reference.alive()
    assert sum(worker.alive() for worker in started) == 3
    pool.retire(candidate)
    pool.kill_taken("candidate")


def test_close_ends_the_spares_and_kills_what_is_in_use(pool, started):
    pool.restock("candidate")
    taken = pool.take("candidate")
    pool.close()
    assert not any(worker.alive() for worker in started)
    assert started[1].closed
    assert not taken.closed  # whoever uses it sees it die, and retires it
    pool.retire(taken)
    assert all(worker.closed for worker in started)


def test_a_dismissed_worker_is_killed_at_once_and_waited_for_later(pool):
    first, second, third = (pool.take("candidate") for _ in range(3))
    pool.dismiss(first)
    assert not first.alive()
    assert not first.closed
    pool.take("candidate")
    assert first.closed
    pool.dismiss(second)
    pool.settle()
    assert second.closed
    pool.dismiss(third)
    pool.close()
    assert third.closed


def test_a_worker_dismissed_after_the_close_is_waited_for_at_once(pool):
    worker = pool.take("candidate")
    pool.close()
    pool.dismiss(worker)
    assert worker.closed


def test_a_closed_pool_starts_nothing_more(pool, started):
    pool.close()
    pool.close()
    pool.restock("candidate")
    with pytest.raises(RunnerError, match="closed"):
        pool.take("candidate")
    assert started == []


def test_spares_that_were_started_before_one_failed_are_ended(started):
    def start(role):
        if len(started) == 1:
            raise RunnerError("cannot start a worker")
        started.append(FakeWorker(role))
        return started[-1]

    pool = WorkerPool(start, spares=2)
    with pytest.raises(RunnerError):
        pool.restock("candidate")
    pool.close()
    assert started[0].closed


def test_a_close_during_a_start_ends_that_worker_as_well(started):
    starting, go_on = threading.Event(), threading.Event()

    def start(role):
        starting.set()
        assert go_on.wait(5)
        started.append(FakeWorker(role))
        return started[-1]

    pool = WorkerPool(start, spares=2)
    restocking = threading.Thread(target=pool.restock, args=("candidate",))
    restocking.start()
    assert starting.wait(5)
    closing = threading.Thread(target=pool.close)
    closing.start()
    go_on.set()
    restocking.join(5)
    closing.join(5)
    assert pool.closed
    assert started
    assert all(worker.closed for worker in started)
