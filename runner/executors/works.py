"""A job → its reply: which module does it, and what becomes of its failures.

Owns that a job's failure is a reply and never ends a worker. Imports a work when it is asked for.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping

from pydantic import JsonValue

from runner.errors import ContractError, RunnerError
from runner.executors.jobs import Job, Reply
from runner.one_line import one_line

# Raises RunnerError, ContractError and OSError with words for people.
Work = Callable[[Mapping[str, JsonValue]], dict[str, JsonValue]]


def do_job(job: Job) -> Reply:
    """Do it in this process."""
    try:
        return Reply(name=job.name, result=_work_of(job)(job.order))
    except (RunnerError, ContractError, OSError) as error:
        return Reply(name=job.name, failure=one_line(str(error)) or type(error).__name__)
    except Exception as error:  # noqa: BLE001 - the edge: the next job must have its turn
        traceback.print_exception(error, file=sys.stderr)
        words = f"internal error: {type(error).__name__}: {error}"
        return Reply(name=job.name, failure=one_line(words))


def _work_of(job: Job) -> Work:
    # Imported late: one of them needs torch, and a worker does one kind.
    if job.work == "sweep":
        from runner.sweep.one_run import perform
    else:
        from runner.nightly.one_kernel import perform
    return perform
