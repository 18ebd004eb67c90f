"""A judge in a process of its own: `python -m runner.judges.process`, spoken to over its pipes.

Owns the order of requests: one thread judges, the main thread reads, so that `abandon` gets
through. Ends when its stdin closes. Never imports candidate code; its verifier's workers do.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from typing import BinaryIO, Protocol

from runner.contract import Candidate, Check, Evaluation, EvaluationStatus, Roofline
from runner.errors import RunnerError
from runner.judges.messages import Failure, Opening, Ready, Reply, Request
from runner.tune.types import Tuned

# The pool says which GPU this is, for the record: CUDA_VISIBLE_DEVICES has made it number 0.
DEVICE_VARIABLE = "KERNELWRIGHT_JUDGE_DEVICE"


class Judge(Protocol):
    """What is served: a `Verifier`."""

    @property
    def roofline(self) -> Roofline | None: ...
    def prepare(self) -> None: ...
    def verify(self, candidate: Candidate) -> Evaluation: ...
    def finalize(self, candidate: Candidate) -> Evaluation: ...
    def tune(self, candidate: Candidate, time_left_s: float) -> Tuned | None: ...
    def abandon(self) -> None: ...
    def close(self) -> None: ...


# Makes the judge of an opening, and says where it runs. Raises RunnerError.
Open = Callable[[Opening], tuple[Judge, Ready]]


def serve(requests: BinaryIO, replies: BinaryIO, open_judge: Open) -> int:
    """Answer one opening and then requests until `requests` ends; the exit status."""
    jobs: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
    opened: queue.SimpleQueue[Judge | None] = queue.SimpleQueue()
    opening = Opening.model_validate_json(requests.readline())
    # Workers end with the thread that starts them: this one lives as long as the judge.
    thread = threading.Thread(
        target=_work, args=(opening, open_judge, jobs, opened, replies), name="judge"
    )
    thread.start()
    judge = opened.get()
    if judge is None:
        thread.join()
        return 1
    for line in iter(requests.readline, b""):
        request = Request.model_validate_json(line)
        if request.op == "abandon":
            judge.abandon()
        else:
            jobs.put(request)
    jobs.put(None)
    judge.close()  # ends what is under way as well
    thread.join()
    return 0


def _work(
    opening: Opening,
    open_judge: Open,
    jobs: queue.SimpleQueue[Request | None],
    opened: queue.SimpleQueue[Judge | None],
    replies: BinaryIO,
) -> None:
    try:
        judge, ready = open_judge(opening)
    except Exception as error:  # noqa: BLE001 - the edge: the pool gets the reason
        _send(replies, Reply(number=0, failure=_failure(error)))
        opened.put(None)
        return
    _send(replies, Reply(number=0, ready=ready))
    opened.put(judge)
    while (request := jobs.get()) is not None:
        try:
            reply = _answer(judge, request)
        except Exception as error:  # noqa: BLE001 - the edge: the pool gets the reason
            reply = Reply(number=request.number, failure=_failure(error))
        _send(replies, reply)


def _failure(error: Exception) -> Failure:
    """A fault of ours that nobody foresaw is told in full on stderr, in one line to the pool."""
    if isinstance(error, RunnerError):
        return Failure.of(error)
    traceback.print_exception(error)
    return Failure.of(RunnerError(f"a judge failed: {type(error).__name__}: {error}"))


def _answer(judge: Judge, request: Request) -> Reply:
    number, candidate = request.number, request.candidate
    if request.op == "prepare":
        judge.prepare()
        return Reply(number=number, roofline=judge.roofline)
    if candidate is None:
        raise RunnerError(f"a judge was asked to {request.op} nothing")
    if request.op == "tune":
        return Reply(number=number, tuned=judge.tune(candidate, request.time_left_s or 0.0))
    judged = (judge.finalize if request.op == "finalize" else judge.verify)(candidate)
    return Reply(number=number, evaluation=_with_device(judged))


def _with_device(evaluation: Evaluation) -> Evaluation:
    """Which of the machine's GPUs it was, among the checks of what passed."""
    device = os.environ.get(DEVICE_VARIABLE)
    if device is None or evaluation.status is not EvaluationStatus.PASSED:
        return evaluation
    row = Check(name="judged on", detail=device)
    return evaluation.model_copy(update={"checks": (*evaluation.checks, row)})


def _send(replies: BinaryIO, reply: Reply) -> None:
    with contextlib.suppress(BrokenPipeError):  # the pool has gone; stdin's end says so, too
        replies.write(reply.model_dump_json().encode() + b"\n")
        replies.flush()


def open_verifier(opening: Opening) -> tuple[Judge, Ready]:
    """The real verifier."""
    from runner.environment import collect_environment
    from runner.verifier import Verifier, VerifyOptions

    verifier = Verifier(opening.problem, VerifyOptions(**opening.options))  # type: ignore[arg-type]
    gpu = collect_environment(device=verifier.device, sandbox=verifier.sandbox).gpu
    return verifier, Ready(sandbox=verifier.sandbox, device=verifier.device, gpu=gpu)


def main() -> int:
    """Serve stdin. Whatever else is printed in this process goes to stderr."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return serve(sys.stdin.buffer, replies, open_verifier)


if __name__ == "__main__":
    sys.exit(main())
