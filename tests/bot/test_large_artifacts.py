"""An artifact of 1 GB: refused by its size, and where the size lies, as soon as it is too much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.standin import Person, Repository, StandIn
from runner.bundle import MAX_ARCHIVE_BYTES

GIGABYTE = 1 << 30
# What the kernel's socket buffers, and the stand-in's own, hold of what nobody reads any more.
BUFFERED_BYTES = 32 << 20
# The archive up to its bound, twice (as it is read, and as one piece), and room for the rest.
MEMORY_BYTES = 2 * MAX_ARCHIVE_BYTES + (48 << 20)


def peak_bytes(pid: int) -> int:
    """The most memory that the process has had at once."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [row for row in status.splitlines() if row.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize(
    ("claimed_bytes", "most_sent_bytes"),
    [(None, 0), (1000, MAX_ARCHIVE_BYTES + BUFFERED_BYTES)],
    ids=["the true size", "a lie"],
)
def test_a_gigabyte_is_refused_and_never_held(
    github: StandIn, repository: Repository, mona: Person, service: Any, issue_body: Any,
    claimed_bytes: int | None, most_sent_bytes: int,
) -> None:  # fmt: skip
    sent_before = github.hub.blobs.sent_bytes
    github.faults.grow_artifact(GIGABYTE, claimed_bytes)
    service.start()
    peak_before = peak_bytes(service.pid)
    number = mona.open_issue("kernel: add one", issue_body())
    mona.label(number, "kernel-request")
    service.until_idle(requests=1)
    said = [comment.body for comment in repository.issues[number].comments]
    assert any(f"the artifact is larger than {MAX_ARCHIVE_BYTES} bytes" in body for body in said)
    assert repository.git.ref("refs/heads/kernel/1-add-one") is None
    assert github.hub.blobs.sent_bytes - sent_before <= most_sent_bytes
    assert peak_bytes(service.pid) - peak_before < MEMORY_BYTES
    assert github.violations == []
