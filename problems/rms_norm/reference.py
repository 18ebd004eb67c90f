"""Root mean square normalisation: the correctness oracle."""

import torch

EPS = 1e-6


def rms_norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """x / sqrt(mean(x², over a row) + 1e-6) · weight; x and the result are [M, N], weight is [N].

    Computed in float32 at least, as torch.nn.functional.rms_norm does: float16 squares overflow
    from 256 on.
    """
    dtype = torch.promote_types(x.dtype, torch.float32)
    wide = x.to(dtype)
    inverse_rms = torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + EPS)
    return (wide * inverse_rms * weight.to(dtype)).to(x.dtype)
