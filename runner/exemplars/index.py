"""The list of exemplars: name, family, title and entry of every file under `kernels/`.

Owns the list and the reading of the files. Imports none of them, and chooses none.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

_KERNELS = Path(__file__).parent / "kernels"

Family = Literal[
    "attention",
    "matmul",
    "softmax",
    "norm",
    "reduction",
    "scan",
    "elementwise",
    "pooling",
    "convolution",
    "loss",
]
FAMILIES: tuple[Family, ...] = get_args(Family)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemplar:
    """One kernel to adapt. `source` is a whole `kernel.py`; `entry` its entry function.

    `title` says in one line what it computes and how, to stand above the source.
    """

    name: str
    family: Family
    title: str
    entry: str
    source: str

    @property
    def path(self) -> Path:
        """The file that `source` was read from."""
        return _KERNELS / f"{self.name}.py"


# name, family, entry, title. The first of a family is what the family's word alone stands for.
_ROWS: tuple[tuple[str, Family, str, str], ...] = (
    (
        "attention_forward",
        "attention",
        "causal_attention",
        "causal attention in one pass, with a hook for changes of the score",
    ),
    (
        "attention_tma",
        "attention",
        "attention",
        "attention over all keys in one pass, keys and values through TMA descriptors",
    ),
    (
        "matmul",
        "matmul",
        "matmul",
        "matrix product of 16-bit operands, grouped tile order, with a hook for an epilogue",
    ),
    (
        "batched_matmul",
        "matmul",
        "batched_matmul",
        "batched matrix product of 16-bit operands in one launch",
    ),
    (
        "linear_chain",
        "matmul",
        "linear_chain",
        "linear layer with bias, GELU, scale and residual in one kernel, float32 kept exact",
    ),
    (
        "linear_logsumexp",
        "matmul",
        "linear_logsumexp",
        "linear layer reduced over its outputs, which are never written to memory",
    ),
    (
        "row_softmax",
        "softmax",
        "row_softmax",
        "softmax of rows: in one pass where a row fits, else online in two",
    ),
    (
        "layer_norm",
        "norm",
        "layer_norm",
        "layer normalisation of rows with weight and bias",
    ),
    (
        "rms_norm",
        "norm",
        "rms_norm",
        "root mean square normalisation of rows with a weight, short rows sharing a program",
    ),
    (
        "group_norm",
        "norm",
        "group_norm",
        "group normalisation of images, statistics in parts that are combined exactly",
    ),
    (
        "reduce_axis",
        "reduction",
        "mean_axis",
        "mean over any axis, with hooks for other reductions",
    ),
    (
        "argmax_axis",
        "reduction",
        "argmax_axis",
        "index of the first largest element along any axis",
    ),
    (
        "scan_axis",
        "scan",
        "cumsum_axis",
        "running sum along any axis, with hooks for other scans",
    ),
    (
        "elementwise",
        "elementwise",
        "gelu",
        "an elementwise function as one flat run of wide loads",
    ),
    (
        "channel_scale_bias",
        "elementwise",
        "scale_bias_hardswish",
        "a chain of elementwise steps with a number for each channel",
    ),
    (
        "max_pool2d",
        "pooling",
        "max_pool2d",
        "maximum over windows of images",
    ),
    (
        "avg_pool3d",
        "pooling",
        "avg_pool3d",
        "mean over windows of volumes",
    ),
    (
        "conv2d",
        "convolution",
        "conv2d",
        "convolution of images as an implicit matrix product over channels-last copies",
    ),
    (
        "conv1d",
        "convolution",
        "conv1d",
        "convolution of signals as an implicit matrix product, with stride and dilation",
    ),
    (
        "conv3d",
        "convolution",
        "conv3d",
        "convolution of volumes as an implicit matrix product over channels times taps",
    ),
    (
        "conv_transpose2d",
        "convolution",
        "conv_transpose2d",
        "transposed convolution of images as implicit matrix products, one a phase of the stride",
    ),
    (
        "depthwise_conv2d",
        "convolution",
        "depthwise_conv2d",
        "depthwise convolution of images, computed directly",
    ),
    (
        "cross_entropy",
        "loss",
        "cross_entropy",
        "cross-entropy of logits and class indices, each logit read once",
    ),
    (
        "smooth_l1_loss",
        "loss",
        "smooth_l1_loss",
        "an elementwise loss summed over two tensors in a fixed order",
    ),
    (
        "kl_divergence",
        "loss",
        "kl_divergence",
        "divergence of two softmaxes from their logits, each read once",
    ),
)


@functools.cache
def exemplars() -> tuple[Exemplar, ...]:
    """All of them, with their sources, families together. The files are read once."""
    return tuple(
        Exemplar(
            name=name,
            family=family,
            title=title,
            entry=entry,
            source=(_KERNELS / f"{name}.py").read_text(encoding="utf-8"),
        )
        for name, family, entry, title in _ROWS
    )
