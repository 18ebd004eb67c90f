"""Fixtures of the bot's tests: the fake GitHub, made bundles, and a request's texts."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bot.permissions import Role
from bot.records import Dispatched, Job, Note, Regenerate, RunNews, Standing, Start
from bot.standin import Person, Repository, StandIn
from bot.tools import Tools
from runner.contract import KernelRequest

ROOT = Path(__file__).parents[2]
FAKES = ROOT / "tests" / "fakes"


def _load(name: str) -> ModuleType:
    # By path: there is no package `tests`, and one in site-packages must not be found instead.
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, FAKES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


SPEC: str = _load("bundle_maker").SPEC
REFERENCE: str = _load("bundle_maker").REFERENCE


def form(
    spec: str = SPEC,
    reference: str = REFERENCE,
    baseline: str | None = None,
    budget: str = "15 minutes",
) -> str:
    """An issue's body as GitHub renders it from the form."""

    def fenced(language: str, text: str | None) -> str:
        return f"```{language}\n{text.rstrip()}\n```" if text is not None else "_No response_"

    parts = [
        ("Spec (problem.toml)", fenced("toml", spec)),
        ("Reference (reference.py)", fenced("python", reference)),
        ("Extra baselines (baseline.py)", fenced("python", baseline)),
        ("Budget", budget),
        ("Anything else", "_No response_"),
    ]
    return "\n\n".join(f"### {label}\n\n{value}" for label, value in parts)


@pytest.fixture
def issue_body() -> Callable[..., str]:
    return form


@pytest.fixture
def bundles() -> ModuleType:
    """The module that makes bundles."""
    return _load("bundle_maker")


@pytest.fixture
def oidc() -> ModuleType:
    """The module of the OIDC issuer in memory."""
    return _load("oidc_issuer")


@pytest.fixture
def fake(bundles: ModuleType) -> Any:
    """Issue 7 has a good spec, `mona` maintains, anybody else only reads; every run succeeds."""

    def succeed(inputs: Mapping[str, str]) -> tuple[list[tuple[str, str | None]], bytes]:
        request = KernelRequest.model_validate_json(inputs["request"])
        return [("completed", "success")], bundles.make_bundle(request)

    github = _load("github_fake").FakeGitHub(on_dispatch=succeed)
    github.roles["mona"] = Role(role_name="maintain", permission="write")
    github.open_issue(7, form(), ("kernel-request",))
    return github


@pytest.fixture(scope="session")
def silent_github() -> Any:
    """A GitHub with an empty repository, which refuses nothing and does nothing."""
    return _load("github_fake").FakeGitHub(on_dispatch=lambda inputs: ([], None))


@pytest.fixture
def tools(fake: Any) -> Tools:
    """The fake, and a clock that moves only when somebody sleeps."""
    now = [1_000_000.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return Tools(
        app=fake, login=fake.login(), run_deadline_s=3600.0, poll_interval_s=60.0,
        run_lookup_grace_s=10.0, now_s=lambda: now[0], sleep=sleep,
    )  # fmt: skip


@pytest.fixture
def job() -> Job:
    """The first round of issue 7."""
    return Job(
        request_id="kw-0123456789abcdef", repository="octo/kernels", installation_id=1,
        issue_number=7, generation=0, spec_sha256="a" * 64,
        cause=Start(issue_number=7, sender="mona"),
    )  # fmt: skip


@pytest.fixture
def second_round(fake: Any, job: Job) -> Callable[..., Job]:
    """Makes the job of a second round, on the pull request that the first one opened."""

    def make(**changes: Any) -> Job:
        pull = fake.open_pulls()[0]
        cause = Regenerate(
            thread_number=pull.number, pull_number=pull.number, sender="mona",
            guidance="use fewer registers",
        )  # fmt: skip
        fields = {
            "request_id": "kw-fedcba9876543210", "generation": 1, "pull_number": pull.number,
            "head_sha": pull.head_sha, "slug": "add_one", "cause": cause, **changes,
        }  # fmt: skip
        return job.model_copy(update=fields)

    return make


class MemorySteps:
    """`Steps` without a database: results are kept in memory, and waiting moves the clock."""

    def __init__(self, tools: Tools) -> None:
        self.names: list[str] = []
        self.announced: list[Dispatched] = []
        self.to_hear: list[list[RunNews]] = []  # at each look of the workflow
        self.notes: list[Note] = []  # what the workflow is told, in this order
        self.standings: list[Standing] = []
        self.gathered: tuple[int, ...] | None = None
        self._tools = tools

    def run(self, name: str, act: Callable[[], Any], kind: type[Any]) -> Any:
        from pydantic import TypeAdapter

        from bot import steps

        adapter = TypeAdapter(kind)
        patience = steps.Patience(total_s=120.0, sleep=self._tools.sleep)
        record = steps.perform(
            "test", name, lambda: adapter.dump_python(act(), mode="json"), patience
        )
        self.names.append(name)
        return adapter.validate_python(steps.outcome(record))

    def do(self, name: str, act: Callable[[], None]) -> None:
        self.run(name, act, type(None))

    def wait(self, timeout_s: float) -> Note | None:
        if self.notes:
            return self.notes.pop(0)
        self._tools.sleep(timeout_s)
        return None

    def pause(self, seconds: float) -> None:
        self._tools.sleep(seconds)

    def stand(self, standing: Standing) -> None:
        self.standings.append(standing)

    def announce_gathered(self, review_ids: tuple[int, ...]) -> None:
        self.gathered = review_ids

    def announce(self, run: Dispatched) -> None:
        self.announced.append(run)

    def news(self) -> list[RunNews]:
        return self.to_hear.pop(0) if self.to_hear else []


@pytest.fixture
def steps(tools: Tools) -> MemorySteps:
    return MemorySteps(tools)


@pytest.fixture
def requests() -> Any:
    """The requests that a service keeps, in memory."""
    return _load("memory_requests").MemoryRequests()


@pytest.fixture(scope="session")
def nursery() -> Iterator[subprocess.Popen[str]]:
    """The process that starts services: see `killable_bot`."""
    with subprocess.Popen(
        [sys.executable, str(FAKES / "killable_bot.py")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        yield process
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=10)


@pytest.fixture(scope="session", autouse=True)
def no_database_from_outside() -> Iterator[None]:
    """A DATABASE_URL of this machine is not for the tests, which start what they need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DATABASE_URL", raising=False)
        yield


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A private PostgreSQL server."""
    postgres = _load("postgres_cluster")
    if postgres.programs() is None:
        pytest.skip(postgres.MISSING)
    with postgres.running() as server:
        yield server


@pytest.fixture
def database_url(cluster: Any) -> str:
    """A new database for each test."""
    url: str = cluster.create_database()
    return url


@pytest.fixture(scope="session")
def live() -> ModuleType:
    """The module of the live service."""
    return _load("live_service")


@pytest.fixture(scope="session")
def delivery_load() -> ModuleType:
    """The module that makes bursts of deliveries."""
    return _load("delivery_load")


@pytest.fixture(scope="session")
def load_session() -> ModuleType:
    """The module that plays a burst against a service."""
    return _load("load_session")


@pytest.fixture(scope="session")
def front_door() -> ModuleType:
    """The module of the proxy before several services."""
    return _load("front_door")


@pytest.fixture(scope="module")
def github(tmp_path_factory: pytest.TempPathFactory, live: ModuleType) -> Iterator[StandIn]:
    """A stand-in GitHub over HTTP."""
    with StandIn(tmp_path_factory.mktemp("github"), webhook_secret=live.SECRET) as standin:
        yield standin


@pytest.fixture
def repository(
    github: StandIn, live: ModuleType, bundles: ModuleType, request: pytest.FixtureRequest
) -> Repository:
    """A repository of its own for each test, with the product's workflow and an instant runner."""
    github.runs.command = live.instant_runner(bundles.make_bundle)
    workflow = (ROOT / ".github" / "workflows" / "generate.yml").read_bytes()
    name = "".join(char if char.isalnum() else "-" for char in request.node.name).strip("-")
    return github.create_repository(
        f"octo/{name}", files={".github/workflows/generate.yml": workflow, "README.md": b"# k\n"}
    )


@pytest.fixture
def mona(github: StandIn, repository: Repository) -> Person:
    return github.person("mona", repository, "maintain")


@pytest.fixture
def service(
    github: StandIn, live: ModuleType, nursery: subprocess.Popen[str], tmp_path: Path
) -> Iterator[Any]:
    """The service for the stand-in; not started yet."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    github.webhook_url = f"http://127.0.0.1:{port}/webhook"
    settings = live.environment(github, tmp_path, port)
    made = live.Service(nursery=nursery, environment=settings, state=tmp_path, port=port)
    yield made
    made.stop()
