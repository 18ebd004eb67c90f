"""What /proc says of a real child: its children, its memory, its threads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from runner.verifier.watch import children_of, held_by

MIB = 1 << 20


@pytest.fixture
def child():
    """Starts a Python program, waits for its first line, and ends it after the test."""
    started = []

    def run(program):
        command = [sys.executable, "-IS", "-c", program]
        started.append(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        return started[-1].pid, started[-1].stdout.readline().strip()

    yield run
    for one in started:
        one.communicate()  # its input ends, and so does it


WAITS = "print(os.getpid(), flush=True); sys.stdin.read()"


def test_a_child_is_seen_and_is_gone_when_it_ended(child):
    pid, _ = child(f"import os, sys; {WAITS}")
    assert pid in children_of(os.getpid())
    assert children_of(pid) == []
    ended = subprocess.Popen([sys.executable, "-IS", "-c", ""])
    ended.wait()
    assert ended.pid not in children_of(os.getpid())
    assert children_of(ended.pid) == []
    assert held_by(ended.pid) == (0, 0)


FORKS = """
import os, sys, threading
def fork():
    below = os.fork()
    if below:
        print(below, flush=True)
        sys.stdin.read()
        os.kill(below, 9)
        os.waitpid(below, 0)
    else:
        kept = bytes(b"x") * (40 << 20)
        import time; time.sleep(60)
"""


@pytest.mark.parametrize(
    "how", ["fork()", "t = threading.Thread(target=fork); t.start(); t.join()"]
)
def test_a_childs_child_is_seen_whichever_thread_started_it(how, child):
    pid, below = child(FORKS + how)
    assert children_of(pid) == [int(below)]


def test_memory_is_that_of_all_descendants(child):
    small, _ = child(f"import os, sys; {WAITS}")
    parent, _ = child(FORKS.replace("print", "import time; time.sleep(0.2); print") + "fork()")
    assert held_by(small)[0] < 40 * MIB
    assert held_by(parent)[0] > held_by(small)[0] + 40 * MIB


def test_memory_that_is_touched_counts(child):
    small, _ = child(f"import os, sys; {WAITS}")
    large, _ = child(f"import os, sys; kept = bytes(b'x') * (64 << 20); {WAITS}")
    shared, _ = child(
        f"import mmap, os, sys; m = mmap.mmap(-1, 64 << 20); m.write(b'x' * (64 << 20)); {WAITS}"
    )
    for pid in (large, shared):
        grown = held_by(pid)[0] - held_by(small)[0]
        assert 60 * MIB < grown < 160 * MIB


@pytest.mark.parametrize("threads", [0, 7])
def test_threads_are_counted(threads, child):
    pid, _ = child(
        "import os, sys, threading, time\n"
        f"for _ in range({threads}):\n"
        "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n" + WAITS
    )
    assert held_by(pid)[1] == 1 + threads
