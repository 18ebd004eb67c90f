"""The judges of one machine as one: a candidate goes to the first that is free.

Owns who is busy, and the second try after a judge's process died. Thread-safe: as many verdicts
run at a time as there are judges; further callers wait.
"""

from __future__ import annotations

import dataclasses
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Literal, Self

from runner.contract import Candidate, Evaluation, Roofline
from runner.errors import RunnerError
from runner.judges.gpus import Device, refuse_mixed
from runner.judges.messages import Opening, Ready, Reply, Request
from runner.judges.remote import COMMAND, JudgeDied, RemoteJudge
from runner.problem import Problem
from runner.tune.types import Tuned
from runner.verifier.options import VerifyOptions


class JudgePool:
    """One judge for each of `devices`, with a `Verifier`'s methods. A context manager.

    Making one starts the processes. Raises as a `Verifier` does, at the latest in `prepare`;
    RunnerError also where GPUs are of different kinds, and for a judge that dies twice over one
    candidate. `command` is what a test puts in place of the judge's program.
    """

    def __init__(
        self,
        problem: Problem,
        options: VerifyOptions,
        devices: Sequence[Device],
        command: Sequence[str] = COMMAND,
    ) -> None:
        if not devices:
            raise RunnerError("there is no GPU for a judge")
        refuse_mixed([device.name for device in devices])
        self.devices = tuple(devices)
        opening = Opening.of(problem, dataclasses.asdict(options))
        self._judges = [RemoteJudge(device, opening, command) for device in devices]
        self._free: queue.Queue[RemoteJudge | None] = queue.Queue()
        self._closed = False
        try:
            for judge in self._judges:
                judge.begin()
        except BaseException:
            self.close()
            raise
        # Of any one: all are of one kind.
        self.roofline: Roofline | None = None
        for judge in self._judges:
            self._free.put(judge)

    def __len__(self) -> int:
        return len(self._judges)

    @property
    def sandbox(self) -> Literal["bubblewrap", "none"]:
        """What contains generated code here. Waits for the first judge."""
        return self._judges[0].ready().sandbox

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where candidates run. Waits for the first judge."""
        return self._judges[0].ready().device

    def prepare(self) -> None:
        """All judges at a time: reference, baselines, roofline. Raises the first one's error."""

        def one(judge: RemoteJudge) -> Ready:
            self.roofline = self._insist(judge, Request(number=0, op="prepare")).roofline
            return judge.ready()

        # Each judge is taken, so that nobody asks it anything meanwhile.
        taken = [self._take() for _ in self._judges]
        try:
            with ThreadPoolExecutor(len(taken), thread_name_prefix="prepare") as threads:
                found = list(threads.map(one, taken))
        finally:
            for judge in taken:
                self._free.put(judge)
        refuse_mixed([ready.gpu for ready in found if ready.gpu is not None])

    def verify(self, candidate: Candidate) -> Evaluation:
        """The verdict of whichever judge is free first; see `Verifier.verify`."""
        return _evaluation(self._ask(Request(number=0, op="verify", candidate=candidate)))

    def finalize(self, candidate: Candidate) -> Evaluation:
        """The verdict that is reported, of any one judge; see `Verifier.finalize`."""
        return _evaluation(self._ask(Request(number=0, op="finalize", candidate=candidate)))

    def tune(self, candidate: Candidate, time_left_s: float) -> Tuned | None:
        """Launch parameters by measurement, on any one GPU; see `Verifier.tune`."""
        request = Request(number=0, op="tune", candidate=candidate, time_left_s=time_left_s)
        return self._ask(request).tuned

    def rank(self, evaluation: Evaluation) -> tuple[float, ...]:
        """The order of PASSED evaluations: smaller is better."""
        from runner.verifier import rank

        return rank(evaluation)

    def abandon(self) -> None:
        """End what is under way on every judge."""
        for judge in self._judges:
            judge.abandon()

    def close(self) -> None:
        """End every process; whoever waits gets RunnerError. Safe to call twice."""
        self._closed = True
        self._each(RemoteJudge.close)
        self._free.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _each(self, do: Callable[[RemoteJudge], None]) -> None:
        """For all at a time: each may need seconds to end its workers."""
        with ThreadPoolExecutor(len(self._judges), thread_name_prefix="judges") as threads:
            list(threads.map(do, self._judges))

    def _take(self) -> RemoteJudge:
        judge = self._free.get()
        if judge is None or self._closed:
            self._free.put(None)  # for the next who waits
            raise RunnerError("the judges are closed")
        return judge

    def _ask(self, request: Request) -> Reply:
        judge = self._take()
        try:
            return self._insist(judge, request)
        finally:
            self._free.put(judge)

    def _insist(self, judge: RemoteJudge, request: Request) -> Reply:
        """Ask; where the process died, start it again once and ask again."""
        try:
            return judge.ask(request)
        except JudgeDied as error:
            if self._closed:
                raise RunnerError("the judges are closed") from error
            judge.restart()
        try:
            return judge.ask(request)
        except JudgeDied as error:
            raise RunnerError(f"{error}, twice in a row") from error


def _evaluation(reply: Reply) -> Evaluation:
    if reply.evaluation is None:
        raise RunnerError("a judge answered without an evaluation")
    return reply.evaluation
