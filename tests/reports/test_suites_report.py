"""Problems that share a GPU: none is called too large for what its neighbours took."""

from __future__ import annotations

import json
import threading
import time
from types import SimpleNamespace

import pytest

from tests.bench.suites_lookers import Room
from tests.bench.suites_report import Rows, look_at

GIB = 1 << 30
SHORT = "the judge ran out of the GPU's memory: 12.9 GB were asked for, 8.9 of the GPU's 150 GB …"
PLANNED = "no workload fits into this GPU's memory: checking it takes 159 GB; this GPU has 150"


def problem(key):
    return SimpleNamespace(key=key, title=f"Problem {key}", family="")


class FakeLookers:
    """Looks at problems in no time. `short`: keys that run out of memory, and how often."""

    def __init__(self, short):
        self.short = dict(short)
        self.running, self.neighbours = set(), {}

    def start(self):
        looker = FakeLooker(self)
        self.running.add(looker)
        return looker


class FakeLooker:
    def __init__(self, lookers):
        self._lookers = lookers
        self._key = ""

    def ask(self, line):
        if line != "go":
            self._key = line
            return {"need_bytes": 10 * GIB}
        lookers, key = self._lookers, self._key
        lookers.neighbours.setdefault(key, []).append(len(lookers.running) - 1)
        left = lookers.short.get(key, 0)
        lookers.short[key] = left - 1
        if left > 0:
            return {"row": {"verdict": "too large", "reason": SHORT}}
        return {"row": {"verdict": "sound", "reference_s": 1.0}}

    def end(self):
        self._lookers.running.remove(self)
        return 0


@pytest.fixture
def look(tmp_path):
    """The rows on disk once the problems were looked at, and the lookers."""

    def run(keys, short, known=None):
        rows = Rows(tmp_path / "suites.json", dict(known or {}))
        lookers = FakeLookers(short)
        due = [problem(key) for key in keys if rows.is_due(key)]
        look_at(due, rows, lookers.start, memory_bytes=100 * GIB, jobs=3)
        assert lookers.running == set()
        return json.loads((tmp_path / "suites.json").read_text()), lookers

    return run


def test_what_ran_out_of_memory_beside_others_is_looked_at_again_alone(look):
    rows, lookers = look(["1/1", "1/2", "1/3", "1/4"], short={"1/2": 1})
    assert {row["verdict"] for row in rows.values()} == {"sound"}
    assert len(lookers.neighbours["1/2"]) == 2
    assert lookers.neighbours["1/2"][1] == 0
    assert len(lookers.neighbours["1/1"]) == 1


def test_what_is_too_large_alone_is_too_large_with_the_figures(look):
    rows, lookers = look(["1/1", "1/2"], short={"1/2": 9})
    assert rows["1/2"]["verdict"] == "too large"
    assert rows["1/2"]["reason"] == SHORT
    assert lookers.neighbours["1/2"][1:] == [0]


@pytest.mark.parametrize(
    ("row", "due"),
    [
        ({"verdict": "sound"}, False),
        ({"verdict": "time limit", "alone": True}, True),
        ({"verdict": "failed", "reason": "CUDA driver: out of memory (2)"}, True),
        ({"verdict": "too large", "reason": SHORT}, True),
        ({"verdict": "too large", "reason": SHORT, "alone": True}, False),
        ({"verdict": "too large", "reason": PLANNED}, False),
        ({"verdict": "failed", "reason": "it ran out of time"}, False),
    ],
)
def test_a_row_that_neighbours_may_have_spoilt_is_due_again(row, due, tmp_path):
    assert Rows(tmp_path / "suites.json", {"1/1": row}).is_due("1/1") is due


def test_room_is_never_given_twice():
    room, held, most = Room(100), [], []

    def take(need):
        with room.of(need):
            held.append(need)
            most.append(sum(held))
            time.sleep(0.01)
            held.remove(need)

    threads = [threading.Thread(target=take, args=(need,)) for need in (60, 50, 40, 30, 70, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(most) == 6
    assert max(most) <= 100


def test_whoever_needs_more_than_there_is_gets_all_of_it():
    room = Room(100)
    with room.of(1000):
        other = threading.Thread(target=lambda: room.of(1).__enter__())
        other.start()
        other.join(0.05)
        assert other.is_alive()
    other.join(5)
    assert not other.is_alive()
