"""Where answers come from: an endpoint, a transcript, or a folder that a person answers in.

Owns the `Model` protocol and its implementations. Knows nothing of kernels or verdicts.
"""

from runner.model.interface import Answer, LiveCount, Model, Progress, Prompt
from runner.model.source import open_model

__all__ = ["Answer", "LiveCount", "Model", "Progress", "Prompt", "open_model"]
