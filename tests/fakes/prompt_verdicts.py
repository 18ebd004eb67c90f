"""Verdicts on the small softmax of the prompts' tests, in the verifier's words.

`INCORRECT` is what it says of `prompt_samples.KERNEL`; times and resources are made up.
"""

from __future__ import annotations

from runner.contract import BaselineTiming, Evaluation, Roofline, Workload, WorkloadTiming
from tests.fakes.measured import compared, compiled, measured, performance, timing

ROOFLINE = Roofline(
    copy_gb_per_s=2900.0,
    matmul_tflop_per_s={"float16": 710.0, "bfloat16": 730.0, "float32": 50.0},
    l2_bytes=50 << 20,
    multiprocessors=132,
)
LARGE = Workload(axes={"M": 8192, "N": 4096})
WIDE = Workload(axes={"M": 16384, "N": 1024})


def verdict(status: str, stage: str, summary: str, detail: str = "") -> Evaluation:
    """A failed evaluation in the verifier's words."""
    return Evaluation(
        status=status,
        candidate_sha256="0" * 64,
        device="cuda",
        stage=stage,
        summary=summary,
        detail=detail,
    )


def _timed(
    workload: Workload, median_ms: float, eager_ms: float, compile_ms: float
) -> WorkloadTiming:
    moved_bytes = 4 * workload.axes["M"] * workload.axes["N"]
    rows = (("eager", eager_ms / median_ms), ("compile", compile_ms / median_ms))
    return timing(
        workload,
        median_ms=median_ms,
        baselines=tuple(
            BaselineTiming(
                name=name,
                median_ms=round(ratio * median_ms, 4),
                ratio=ratio,
                ratio_low=ratio - 0.01,
                ratio_high=ratio + 0.01,
            )
            for name, ratio in rows
        ),
        moved_bytes=moved_bytes,
        gb_per_s=moved_bytes / median_ms / 1e6,
        roofline_share=moved_bytes / median_ms / 1e6 / ROOFLINE.copy_gb_per_s,
        floor_ms=round(moved_bytes / 2 / ROOFLINE.copy_gb_per_s / 1.1e6, 4),
    )


def passed(large_ms: float = 0.0644, wide_ms: float = 0.0268) -> Evaluation:
    """A kernel that passed and was timed on an H100."""
    rows = (
        _timed(LARGE, large_ms, 0.0953, 0.0576),
        _timed(WIDE, wide_ms, 0.0489, 0.0302),
    )
    resources = (
        compiled(LARGE, kernel="_softmax_kernel", registers=255, spill_bytes=48, grid=(8192,)),
        compiled(WIDE, kernel="_softmax_kernel", registers=40, grid=(16384,)),
    )
    return measured(
        performance=performance(*rows, roofline=ROOFLINE),
        summary="correct on 26 comparisons; timed on 2 workload(s)",
        resources=resources,
    )


def passed_without_gpu() -> Evaluation:
    """A kernel that passed in the interpreter and was compiled."""
    return measured(
        device="cpu",
        performance=None,
        stage="integrity",
        summary="correct on 26 comparisons; compiles for sm_90",
        detail="_softmax_kernel on sm_90: 255 registers, 48 B spilled (M=8192 N=4096)",
        correctness={"cases": [compared(LARGE)]},
        resources=(compiled(LARGE, kernel="_softmax_kernel", registers=255, spill_bytes=48),),
    )


COMPILE_ERROR = verdict(
    "COMPILE_ERROR",
    "compile",
    "kernel.py:12: ValueError: arange's range must be a power of 2",
    "kernel.py:12: ValueError: arange's range must be a power of 2\n"
    "While compiling for sm_90 with M=7 N=77.",
)
INCORRECT = verdict(
    "INCORRECT_NUMERICAL",
    "sweep",
    "y: every element wrong (100 %) on M=7 N=77 [normal]",
    "Output y on M=7 N=77 [normal]:\n"
    "- every element wrong (100 %)\n"
    "- first at [0, 0]: expected 0.0164577, found 0.00998688\n"
    "- worst at [5, 1]: expected 0.0155553, found 0.00939941\n"
    "- largest error 0.00616, budget there 2.26e-05\n"
    "Wrong on: M=2 N=1181; M=3 N=1025; M=7 N=77",
)
CHEATED = verdict(
    "CHEATED",
    "integrity",
    "the library computed: torch _softmax",
    "The policy is triton-only: all arithmetic must be in the candidate's own Triton kernels; "
    "allocation, views, copies and casts are allowed.\nLibrary operations that ran: _softmax",
)
TIMEOUT = verdict("TIMEOUT", "sweep", "the candidate did not finish in time on M=3 N=1025 [normal]")
RUNTIME_ERROR = verdict(
    "RUNTIME_ERROR",
    "smoke",
    "wrote outside its output y (102 bytes after its end)",
    "Wrote outside its output y (102 bytes after its end).\nOn M=7 N=77 [normal]. Every store "
    "needs a mask that keeps its offsets inside the tensor: the last block of each axis is where "
    "they run over.",
)
SHAPE = verdict(
    "INCORRECT_SHAPE",
    "smoke",
    "y has shape [7, 128], expected [7, 77]",
    "y has shape [7, 128], expected [7, 77]\nOn M=7 N=77 [normal].",
)
DTYPE = verdict(
    "INCORRECT_DTYPE",
    "smoke",
    "y is float32, expected float16",
    "y is float32, expected float16\nOn M=7 N=77 [normal].",
)
