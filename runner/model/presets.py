"""What is known of each kind of endpoint: address, key, how to draw, how to go on.

Owns the vendors' documented facts, with their source and its date. A preset reads only its own
vendor's variables, so that no key ever goes to another vendor's address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from runner.errors import ModelError
from runner.settings import EndpointSettings

# How an answer that was cut is asked for again: as a further user turn; by DeepSeek's chat prefix
# completion; by continuing the last message, as vLLM does.
Resume = Literal["turn", "prefix", "final_message"]

# "Usage Recommendations" of github.com/deepseek-ai/DeepSeek-R1: temperature 0.6 (0.5 to 0.7),
# top-p 0.95, no system prompt.
_R1_SAMPLING: Mapping[str, float | None] = {"temperature": 0.6, "top_p": 0.95}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One kind of endpoint. `default_model` is None where one must be named.

    `key_variable` and `address_variable` name what the environment says about it. `less_thinking`
    goes into a request that should think less than the one before it.
    """

    default_model: str | None
    base_url: str
    key_variable: str
    address_variable: str
    needs_key: bool
    sampling: Mapping[str, float | None] = field(default_factory=lambda: _R1_SAMPLING)
    resume: Resume = "turn"
    less_thinking: Mapping[str, object] = field(default_factory=dict)


PRESETS: Mapping[str, Preset] = {
    "openai": Preset(
        default_model=None,
        # Said here, or the client would look into the environment itself.
        base_url="https://api.openai.com/v1",
        key_variable="OPENAI_API_KEY",
        address_variable="OPENAI_BASE_URL",
        needs_key=True,
    ),
    # api-docs.deepseek.com, November 2026: "Models & Pricing", "Thinking Mode", "Chat Prefix
    # Completion". R1 itself (deepseek-reasoner) was withdrawn there on 2026-07-24, and its
    # successor deepseek-flash thinks by default. A temperature has no effect on thinking.
    "deepseek": Preset(
        default_model="deepseek-flash",
        base_url="https://api.deepseek.com",
        key_variable="DEEPSEEK_API_KEY",
        address_variable="DEEPSEEK_BASE_URL",
        needs_key=True,
        sampling={"temperature": None, "top_p": 0.95},
        resume="prefix",
        less_thinking={"reasoning_effort": "low"},
    ),
    # docs.api.nvidia.com/nim/reference/deepseek-ai-deepseek-r1. The catalogue changes: where it no
    # longer serves R1, the error names what it does serve.
    "nim": Preset(
        default_model="deepseek-ai/deepseek-r1",
        base_url="https://integrate.api.nvidia.com/v1",
        key_variable="NVIDIA_API_KEY",
        address_variable="NVIDIA_BASE_URL",
        needs_key=True,
    ),
    # docs.vllm.ai: "OpenAI-Compatible Server" (port 8000, no key unless --api-key, the extra
    # parameter continue_final_message) and "Reasoning Outputs".
    "vllm": Preset(
        default_model="deepseek-ai/DeepSeek-R1",
        base_url="http://127.0.0.1:8000/v1",
        key_variable="VLLM_API_KEY",
        address_variable="VLLM_BASE_URL",
        needs_key=False,
        resume="final_message",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One endpoint, ready to be asked: a preset with the environment's say applied."""

    model: str
    preset: Preset
    base_url: str
    api_key: str | None = field(repr=False)
    sampling: Mapping[str, float]
    settings: EndpointSettings


def service(name: str, model: str, settings: EndpointSettings) -> Service:
    """The endpoint of that preset; without `model`, its default one.

    Raises ModelError where a key or a name is missing, before anything is asked.
    """
    preset = PRESETS[name]
    chosen = model or preset.default_model
    if chosen is None:
        raise ModelError(f"no model is named: use {name}:MODEL")
    base_url = settings.addresses.get(preset.address_variable) or preset.base_url
    api_key = settings.keys.get(preset.key_variable)
    # A server of one's own may well take any key; the vendor's does not.
    if api_key is None and preset.needs_key and base_url == preset.base_url:
        raise ModelError(
            f"{preset.key_variable} is not set: set it, or {preset.address_variable} for an "
            "endpoint without keys"
        )
    sampling = {**preset.sampling, **settings.sampling}
    return Service(
        model=chosen,
        preset=preset,
        base_url=base_url,
        api_key=api_key,
        sampling={key: value for key, value in sampling.items() if value is not None},
        settings=settings,
    )
