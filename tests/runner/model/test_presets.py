"""The spelling of models, what each preset asks, and whose key goes where."""

from __future__ import annotations

import asyncio

import pytest

from runner.errors import ModelError
from runner.model import Prompt, open_model
from runner.model.presets import PRESETS
from runner.model.record import RecordingModel
from runner.model.transcript import read_transcript
from runner.settings import EndpointSettings, read_settings


def answer_of(spec: str, environ: dict[str, str]):
    """One answer of the model that the environment describes."""

    async def run():
        model = open_model(spec, read_settings(environ).endpoint, generation=0)
        try:
            return await model.answer(Prompt(attempt=1, text="write", time_left_s=30))
        finally:
            await model.close()

    return asyncio.run(run())


KEYS = {
    "OPENAI_API_KEY": "key of openai",
    "DEEPSEEK_API_KEY": "key of deepseek",
    "NVIDIA_API_KEY": "key of nvidia",
    "VLLM_API_KEY": "key of vllm",
}


@pytest.mark.parametrize(
    ("spec", "address", "key", "model", "sampling"),
    [
        ("deepseek", "DEEPSEEK_BASE_URL", "key of deepseek", "deepseek-flash", (None, 0.95)),
        ("deepseek:other", "DEEPSEEK_BASE_URL", "key of deepseek", "other", (None, 0.95)),
        ("nim", "NVIDIA_BASE_URL", "key of nvidia", "deepseek-ai/deepseek-r1", (0.6, 0.95)),
        ("nim:a/b", "NVIDIA_BASE_URL", "key of nvidia", "a/b", (0.6, 0.95)),
        ("vllm", "VLLM_BASE_URL", "key of vllm", "deepseek-ai/DeepSeek-R1", (0.6, 0.95)),
        ("vllm:m", "VLLM_BASE_URL", "key of vllm", "m", (0.6, 0.95)),
        ("openai:m", "OPENAI_BASE_URL", "key of openai", "m", (0.6, 0.95)),
        ("llama3:70b", "OPENAI_BASE_URL", "key of openai", "llama3:70b", (0.6, 0.95)),
    ],
)
def test_a_preset_knows_its_model_its_key_and_how_to_draw(
    serve, spec, address, key, model, sampling
):
    server = serve()
    answer = answer_of(spec, {**KEYS, address: server.url})
    asked = server.served[0].ask
    assert (answer.model, asked.body["model"], asked.key) == (model, model, key)
    assert (asked.body.get("temperature"), asked.body.get("top_p")) == sampling
    # No system prompt, whoever it is.
    assert [message["role"] for message in asked.body["messages"]] == ["user"]


def test_what_the_environment_says_wins_over_the_preset(serve):
    server = serve()
    environ = {
        **KEYS,
        "DEEPSEEK_BASE_URL": server.url,
        "KERNELWRIGHT_TEMPERATURE": "0.1",
        "KERNELWRIGHT_TOP_P": "none",
    }
    answer_of("deepseek", environ)
    body = server.served[0].ask.body
    assert (body["temperature"], body.get("top_p")) == (0.1, None)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_no_key_goes_to_another_vendors_address(serve, preset):
    known = PRESETS[preset]
    server = serve()
    others = {name: key for name, key in KEYS.items() if name != known.key_variable}
    answer_of(f"{preset}:m", {**others, known.address_variable: server.url})
    assert server.served[0].ask.key == "none"


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ("openai", "OPENAI_API_KEY is not set: set it, or OPENAI_BASE_URL for an endpoint without"),
        ("deepseek", "DEEPSEEK_API_KEY is not set"),
        ("nim", "NVIDIA_API_KEY is not set"),
    ],
)
def test_a_missing_key_names_its_variable_before_anything_is_asked(preset, words):
    others = {name: key for name, key in KEYS.items() if name != PRESETS[preset].key_variable}
    with pytest.raises(ModelError, match=words):
        open_model(f"{preset}:m", EndpointSettings(keys=others), generation=0)


def test_a_server_of_ones_own_needs_neither_key_nor_address():
    assert open_model("vllm", EndpointSettings(), generation=0).name == "deepseek-ai/DeepSeek-R1"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("replay:", "names nothing after the colon"),
        ("replay", "names nothing after the colon"),
        ("mailbox:", "names nothing after the colon"),
        ("openai:", "names nothing after the colon"),
        ("openai", "names nothing after the colon"),
        ("deepseek:", "names nothing after the colon"),
        ("record:", "names nothing after the colon"),
        ("record:file", "is incomplete: use record:FILE:MODEL"),
        ("record:file:", "is incomplete"),
        ("record::deepseek", "is incomplete"),
        ("  ", "no model is named"),
        ("replay:/no/such/file", "cannot read the transcript"),
        ("record:/tmp/x/y:replay:/no/such/file", "cannot read the transcript"),
    ],
)
def test_a_bad_specification_says_what_to_do(spec, words):
    with pytest.raises(ModelError, match=words):
        open_model(spec, EndpointSettings(), generation=0)


def test_any_model_can_be_recorded(serve, tmp_path):
    server = serve()
    file = tmp_path / "new folder" / "t.jsonl"
    answer_of(f"record:{file}:openai:m", {"OPENAI_BASE_URL": server.url})
    assert [(entry.model, entry.content) for entry in read_transcript(file)] == [("m", "hello")]
    again = open_model(
        f"record:{tmp_path / 'copy'}:replay:{file}", EndpointSettings(), generation=0
    )
    assert isinstance(again, RecordingModel)
    assert again.name == "m"


def test_a_file_that_cannot_be_recorded_to_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot record to"):
        open_model(f"record:{tmp_path / 'file' / 'x'}:vllm", EndpointSettings(), generation=0)
