"""An endpoint to ask, and one way of asking it."""

from __future__ import annotations

import asyncio

import pytest

from runner.model import Prompt
from runner.model.openai import OpenAIModel
from runner.model.presets import PRESETS, service
from runner.model.retry import RetryPolicy
from runner.settings import EndpointSettings
from tests.fakes.model_script import Reply
from tests.fakes.model_server import ModelServer

QUICK = RetryPolicy(tries=3, first_wait_s=0.01, max_wait_s=0.02)
KEY = "sk-a-secret-that-nobody-may-see"


@pytest.fixture
def serve():
    """Start an endpoint; it says hello unless told otherwise."""
    servers = []

    def start(skill=lambda ask: Reply(content="hello"), **script) -> ModelServer:
        servers.append(ModelServer(skill, **script).__enter__())
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__()


@pytest.fixture
def open_endpoint():
    """A model of the endpoint at `url`; the caller closes it."""

    def connect(url, *, preset="openai", model="r1", policy=QUICK, **settings) -> OpenAIModel:
        known = PRESETS[preset]
        endpoint = EndpointSettings(
            keys={known.key_variable: KEY}, addresses={known.address_variable: url}, **settings
        )
        return OpenAIModel(service(preset, model, endpoint), policy)

    return connect


@pytest.fixture
def ask(open_endpoint):
    """One answer of the endpoint at `url`."""

    def once(url, *, time_left_s=60.0, text="write", shorter=(), progress=None, **options):
        async def run():
            model = open_endpoint(url, **options)
            prompt = Prompt(attempt=1, text=text, shorter=shorter, time_left_s=time_left_s)
            try:
                return await model.answer(prompt, progress)
            finally:
                await model.close()

        return asyncio.run(run())

    return once
