"""Every exception of the runner.

    RunnerError             the runner or its machine failed; never a bad candidate
    ├── ModelError          the model endpoint failed in a way that retrying does not mend
    │   ├── EndpointError   an endpoint said no, or nothing, after so many tries
    │   └── ModelExhausted  a transcript is at its end, or somebody ended a mailbox
    ├── SandboxUnavailable  generated code would run without a sandbox, and nobody allowed that
    └── ReferenceFailed     the problem's own reference failed: the spec is at fault
    ContractError           wire data that breaks the contract (ValueError)
    ├── ProblemError        a problem folder or spec with faults; carries all of them
    ├── BundleError         a result bundle that fails its checks
    └── ResultsError        a results.json that cannot be read, or of an unknown version

A bad candidate is data (`runner.contract.Evaluation`), never an exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# What a message tells to do where a package is missing. By its name alone no index has this one.
INSTALL = "pip install '.[runner]' in a checkout of kernelwright"


class RunnerError(Exception):
    """The runner or its machine failed. The message says what to do about it."""


class ModelError(RunnerError):
    """The model endpoint failed in a way that retrying does not mend."""


EndpointFault = Literal["key", "model", "balance", "context", "request", "unreachable"]


class EndpointError(ModelError):
    """An endpoint refused, or gave no whole answer in `tries` requests.

    `kind`: the key or the model's name is wrong, the account is empty, no rendering of the prompt
    fits into the context, the request was refused for another reason, or (after all retries) there
    was no answer. Only the last may mend itself.
    """

    def __init__(self, message: str, *, kind: EndpointFault, tries: int) -> None:
        super().__init__(message)
        self.kind = kind
        self.tries = tries


class ModelExhausted(ModelError):
    """No answer to this attempt will come: a transcript is at its end, or a mailbox was ended."""


class SandboxUnavailable(RunnerError):
    """No sandbox can be made here, and the operator has not allowed going without."""


class ReferenceFailed(RunnerError):
    """The problem's own reference failed: the spec is at fault, not a candidate."""


class ContractError(ValueError):
    """Wire data that breaks the contract."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a spec. `line` is 1-based; None means the file as a whole."""

    file: str
    line: int | None
    message: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.message}"


class ProblemError(ContractError):
    """A spec with faults. `faults` names every one, not only the first."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = faults


class BundleError(ContractError):
    """A result bundle that fails its checks. `reason` is safe to show."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ResultsError(ContractError):
    """A results.json that cannot be read, or of a version that is not known here."""
