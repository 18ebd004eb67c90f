"""What the operator may choose about a verification. Torch-free; reads no environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """How to verify. The defaults are the ones a bundle is made with.

    `timeout_s` bounds one verdict and one run of the reference, start of a worker included.
    `quick` runs fewer distributions and workloads: for a person at a terminal, not for a bundle.
    `seed` None draws a fresh secret; a number makes inputs repeatable, for tests.
    `allow_no_sandbox` lets generated code run where no sandbox can be made. `rounds`: timed calls
    of the candidate for each benchmark workload, on a GPU. `spares`: warm workers kept of a role;
    0 for whoever judges no candidate.
    """

    device: Literal["cpu", "cuda"] = "cpu"
    rounds: int = 100
    spares: int = 1
    allow_no_sandbox: bool = False
    timeout_s: float = 120.0
    quick: bool = False
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.timeout_s <= 0:
            raise ValueError(f"timeout_s must be positive, not {self.timeout_s}")
        if self.rounds < 1 or self.spares < 0:
            raise ValueError("rounds must be at least 1, and spares not negative")
