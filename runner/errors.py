"""Every exception of the runner.

    RunnerError             the runner or its machine failed; never a bad candidate
    ├── ModelError          the model endpoint failed in a way that retrying does not mend
    │   ├── EndpointError   an endpoint said no, or nothing, after so many tries
    │   └── ModelExhausted  a transcript is at its end, or somebody ended a mailbox
    ├── SandboxUnavailable  generated code would run without a sandbox, and nobody allowed that
    ├── ReferenceFailed     the problem's own reference failed: the spec is at fault
    └── DeviceMemoryExhausted  a GPU had not that much memory left, for whoever holds it
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


class DeviceMemoryExhausted(RunnerError):
    """A GPU had not that much memory left. No candidate is to blame: the judge, its reference and
    other processes hold it. What is not known of the figures is None."""

    def __init__(
        self,
        what: str,
        *,
        asked_bytes: int | None,
        free_bytes: int | None,
        total_bytes: int | None,
    ) -> None:
        asked = None if asked_bytes is None else f"{asked_bytes / 1e9:.3g} GB were asked for"
        free = None
        if free_bytes is not None and total_bytes is not None:
            free = f"{free_bytes / 1e9:.3g} of the GPU's {total_bytes / 1e9:.4g} GB are free"
        figures = ", ".join(figure for figure in (asked, free) if figure is not None)
        whose = "other processes may hold the rest (nvidia-smi lists them)"
        if asked_bytes is not None and free_bytes is not None and asked_bytes <= free_bytes:
            whose = "a worker may take no more than its share, or others have given some back"
        super().__init__(f"{what}: {figures}; {whose}" if figures else what)
        self.asked_bytes = asked_bytes
        self.free_bytes = free_bytes
        self.total_bytes = total_bytes


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
