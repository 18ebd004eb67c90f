"""Which exemplar a problem starts from: by its family's name, then by what its reference calls.

Owns the synonyms and the operators that speak for each exemplar. Pure; runs no reference.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from runner.exemplars.index import Exemplar, Family, exemplars

_FAMILY_WORDS: Mapping[Family, frozenset[str]] = {
    "attention": frozenset({"attention", "flashattention", "sdpa"}),
    "convolution": frozenset({"conv", "convolution", "convolutional"}),
    "matmul": frozenset({"matmul", "gemm", "bmm", "mm", "linear", "dense"}),
    "loss": frozenset({"loss", "losses", "crossentropy"}),
    "norm": frozenset(
        {"norm", "normalisation", "normalization", "layernorm", "rmsnorm", "groupnorm"}
        | {"batchnorm", "instancenorm"}
    ),
    "pooling": frozenset({"pool", "pooling", "maxpool", "avgpool"}),
    "scan": frozenset({"scan", "cumsum", "cumprod", "cumulative"}),
    "softmax": frozenset({"softmax", "logsoftmax"}),
    "reduction": frozenset({"reduce", "reduction", "reductions", "argmax", "argmin"}),
    "elementwise": frozenset({"elementwise", "pointwise", "activation", "activations"}),
}

_PRODUCTS = frozenset(
    {"matmul", "mm", "bmm", "linear", "addmm", "baddbmm", "einsum", "mv", "dot", "bilinear"}
)
_DIMENSIONS = ("", "1d", "2d", "3d")
# In this order: what costs most in a chain of operators decides what it is built around.
_FAMILY_CALLS: Mapping[Family, frozenset[str]] = {
    "attention": frozenset({"scaleddotproductattention", "multiheadattention", "flexattention"}),
    "convolution": frozenset(
        {f"conv{d}" for d in _DIMENSIONS} | {f"convtranspose{d}" for d in _DIMENSIONS}
    ),
    "matmul": _PRODUCTS,
    "loss": frozenset(
        {"crossentropy", "crossentropyloss", "nllloss", "mseloss", "l1loss", "smoothl1loss"}
        | {"huberloss", "kldiv", "kldivloss", "tripletmarginloss", "cosineembeddingloss"}
        | {"binarycrossentropy", "binarycrossentropywithlogits", "bceloss", "bcewithlogitsloss"}
    ),
    "norm": frozenset(
        {"layernorm", "rmsnorm", "groupnorm", "instancenorm"}
        | {f"{kind}norm{d}" for kind in ("batch", "instance") for d in _DIMENSIONS}
    ),
    "pooling": frozenset(
        f"{kind}pool{d}"
        for kind in ("max", "avg", "adaptivemax", "adaptiveavg", "lp")
        for d in _DIMENSIONS[1:]
    ),
    "scan": frozenset({"cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"}),
    "softmax": frozenset({"softmax", "logsoftmax", "softmin"}),
    "reduction": frozenset(
        {"sum", "mean", "amax", "amin", "max", "min", "prod", "argmax", "argmin", "var", "std"}
        | {"logsumexp", "norm", "all", "any"}
    ),
    "elementwise": frozenset(
        {"relu", "relu6", "leakyrelu", "gelu", "silu", "mish", "elu", "selu", "celu", "sigmoid"}
        | {"tanh", "softplus", "softsign", "hardtanh", "hardswish", "hardsigmoid", "clamp"}
        | {"exp", "log", "sqrt", "rsqrt", "where", "abs", "square", "pow", "sin", "cos", "erf"}
    ),
}

_REDUCTIONS_OF_PRODUCTS = frozenset(
    {"logsumexp", "sum", "mean", "max", "amax", "min", "amin", "crossentropy"}
)
# What speaks for one exemplar of its family, among calls and words. The family's first exemplar
# needs no words: it is taken where nothing speaks for another.
_SIGNS: Mapping[str, frozenset[str]] = {
    "attention_tma": frozenset({"tma", "descriptor", "descriptors"}),
    "batched_matmul": frozenset({"bmm", "baddbmm", "batched", "batch"}),
    "linear_chain": frozenset({"linear", "addmm"}) | _FAMILY_CALLS["elementwise"],
    # A chain's signs and more: where a chain ends in a reduction, this one wins.
    "linear_logsumexp": frozenset({"linear", "addmm"})
    | _FAMILY_CALLS["elementwise"]
    | _REDUCTIONS_OF_PRODUCTS,
    "layer_norm": frozenset({"layer", "layernorm"}),
    "rms_norm": frozenset({"rms", "rmsnorm", "square", "pow"}),
    "group_norm": _FAMILY_CALLS["norm"] - {"layernorm", "rmsnorm"} | {"group", "instance", "batch"},
    "argmax_axis": frozenset({"argmax", "argmin"}),
    "channel_scale_bias": frozenset({"scale", "bias", "channel", "channels", "broadcast"}),
    "avg_pool3d": frozenset(call for call in _FAMILY_CALLS["pooling"] if "avg" in call)
    | {"average", "mean"},
    "conv1d": frozenset({"conv1d", "1d"}),
    "conv3d": frozenset({"conv3d", "3d"}),
    "conv_transpose2d": frozenset(f"convtranspose{d}" for d in _DIMENSIONS)
    | {"transposed", "transpose", "deconvolution"},
    "depthwise_conv2d": frozenset({"depthwise", "groups"}),
    "smooth_l1_loss": frozenset({"mseloss", "l1loss", "smoothl1loss", "huberloss"})
    | {"mse", "huber", "l1", "squared"},
    "kl_divergence": frozenset({"kldiv", "kldivloss", "kl", "divergence"}),
}


def exemplar_for(family: str, summary: str, reference_text: str) -> Exemplar | None:
    """The kernel to start from for a problem, or None where none of them fits.

    The family is the first that its own free text names; else the dearest that the reference
    calls, unless that says little, as a sum does; else the first that the summary names; else
    the one that says little. Within a family the most signs win: calls and function names of the
    reference, words of family and summary. A tie goes to the first in the list. A reference that
    does not parse counts as one that calls nothing. Never raises.
    """
    calls, names = _calls(reference_text)
    called = _called(calls)
    clear = None if called in _SAY_LITTLE else called
    chosen = _named(family) or clear or _named(summary) or called
    if chosen is None:
        return None
    signs = {*calls, *_words(f"{family} {summary} {names}".replace("_", " "))}
    of_family = [exemplar for exemplar in exemplars() if exemplar.family == chosen]
    # max() takes the first of equals.
    return max(of_family, key=lambda exemplar: len(signs & _SIGNS.get(exemplar.name, _NONE)))


# Written out, a norm or a loss is made of these.
_SAY_LITTLE: frozenset[Family | None] = frozenset({"reduction", "elementwise"})
_NONE: frozenset[str] = frozenset()


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def _named(text: str) -> Family | None:
    """The family whose word, or whose operator, comes first in `text`."""
    for word in _words(text.replace("_", " ")):
        for family, words in _FAMILY_WORDS.items():
            # "max" or "log" in a sentence says nothing about the whole.
            if word in words or (family not in _SAY_LITTLE and word in _FAMILY_CALLS[family]):
                return family
    return None


def _called(calls: list[str]) -> Family | None:
    products = sum(call in _PRODUCTS for call in calls)
    if products > 1 and "softmax" in calls:
        return "attention"
    for family, names in _FAMILY_CALLS.items():
        if names.intersection(calls):
            return family
    return None


def _calls(text: str) -> tuple[list[str], str]:
    """What a reference calls, each as often as it stands there, and the names of its functions.

    `F.conv_transpose2d` and `nn.ConvTranspose2d` are both `convtranspose2d`, `@` is `matmul`, an
    argument `groups=` is `groups`.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [], ""
    calls: list[str] = []
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names.append(node.name)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            calls.append("matmul")
        elif isinstance(node, ast.Call):
            calls += [keyword.arg for keyword in node.keywords if keyword.arg == "groups"]
            if isinstance(node.func, ast.Attribute):
                calls.append(_plain(node.func.attr))
            elif isinstance(node.func, ast.Name):
                calls.append(_plain(node.func.id))
    return calls, " ".join(names)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
