"""Whether the GPU path works on this machine, found out by using it. For `doctor`."""

from __future__ import annotations

from runner.errors import RunnerError
from runner.machine_gpu import GpuProbe
from runner.verifier.gpu.device_arena import DeviceArena
from runner.verifier.gpu.roofline import measure_roofline
from runner.verifier.gpu.toolchain import Toolchain
from runner.verifier.process import Start, WorkerProcess
from runner.verifier.sandbox import open_sandbox

_ARENA_BYTES = 1 << 20


def probe() -> GpuProbe:
    """Start a worker in the sandbox with CUDA, Triton and shared memory; measure the roofline."""
    problem: str | None = None
    sandbox = open_sandbox(allow_none=True)
    tools = Toolchain(sandbox)
    try:
        worker = WorkerProcess(
            Start(
                role="cuda-candidate",
                sandbox=sandbox,
                arenas=(DeviceArena.create(_ARENA_BYTES),),
                cpu_s=120.0,
                tools=tools,
            )
        )
        try:
            worker.wait_ready()
        finally:
            worker.close()
    except RunnerError as error:
        problem = str(error)
    finally:
        tools.close()
    return GpuProbe(sandbox_problem=problem, roofline=measure_roofline())
