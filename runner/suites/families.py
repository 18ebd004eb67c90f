"""The family of a problem by the words of its title. A table only; the first match counts."""

from __future__ import annotations

_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("attention", ("attention", "transformer", "gpt", "vit")),
    ("recurrent", ("lstm", "gru", "rnn", "mamba")),
    ("convolution", ("conv",)),
    ("matmul", ("matmul", "matrix", "gemm", "bmm", "linear", "mlp")),
    ("loss", ("loss", "entropy", "divergence", "kldiv")),
    ("normalisation", ("norm",)),
    ("pooling", ("pool",)),
    ("scan", ("cumsum", "cumprod", "scan")),
    ("softmax", ("softmax",)),
    ("reduction", ("sum", "mean", "max", "min", "argmax", "argmin", "reduc", "prod")),
    (
        "elementwise",
        ("elu", "sigmoid", "tanh", "swish", "soft", "gelu", "activation", "scale", "dropout"),
    ),
    ("network", ("net", "vgg", "inception", "transition")),
)


def family_of(title: str) -> str:
    """The family, or "" where no word tells."""
    lowered = title.lower()
    for family, words in _WORDS:
        if any(word in lowered for word in words):
            return family
    return ""
