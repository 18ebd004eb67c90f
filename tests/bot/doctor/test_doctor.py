"""`kernelwright doctor` against the stand-in: all well, and one fault after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from bot.config import PATH as CONFIG
from bot.doctor import app_checks, hook_checks
from bot.doctor.command import run
from bot.doctor.repository_checks import runs_on
from bot.doctor.shipped import FILES, FORM, GENERATE, NIGHTLY, VERIFY, shipped
from bot.github_api.inspection import DeliveryFacts
from bot.standin import Repository, StandIn
from bot.standin.registration import EVENTS, PERMISSIONS
from bot.standin.state import Runner
from bot.webhook import verify_signature

ROOT = Path(__file__).parents[3]
SECRET = "standin-webhook-secret"
Change = Callable[[StandIn, Repository], None]


class Service(ThreadingHTTPServer):
    """What answers at the webhook's address: as ours does, or with `status`."""

    status: int | None = None


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            signed = verify_signature(body, self.headers["X-Hub-Signature-256"], SECRET)
            self.send_response(server.status or (204 if signed else 401))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = Service(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("github"), webhook_secret=SECRET) as github:
        yield github
        assert github.violations == []
        assert github.advisories == []


@pytest.fixture
def repository(standin: StandIn, service: Service) -> Repository:
    """An installation in which all is well; what an earlier test changed is put right."""
    hub, service.status = standin.hub, None
    hub.state.repositories.clear()
    hub.state.clock = lambda: datetime.now(UTC).replace(microsecond=0)
    registration = hub.registration
    registration.permissions = {**PERMISSIONS, "administration": "read"}
    registration.events, registration.granted = list(EVENTS), None
    registration.is_suspended, registration.hook_is_signed = False, True
    registration.hook_content_type, registration.hook_insecure_ssl = "json", "0"
    hub.webhooks.log.clear()
    hub.webhooks.url = f"http://127.0.0.1:{service.server_address[1]}/webhook"
    files = {path: shipped(path).encode() for path in FILES}
    made = standin.create_repository(f"octo/k{hub.state.next_id()}", files=files)
    made.owner.kind = "User"
    made.runners.append(Runner(id=1, name="h200-a", labels=("self-hosted", "gpu")))
    ada = standin.person("ada", made, "admin")
    ada.request("POST", "/labels", {"name": "kernel-request", "color": "0b6b4a"})
    return made


@pytest.fixture(autouse=True)
def settings(standin: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("KERNELWRIGHT_")]:
        monkeypatch.delenv(name)
    values = {
        "APP_ID": str(standin.app_id), "PRIVATE_KEY": standin.private_key_pem,
        "WEBHOOK_SECRET": SECRET, "GITHUB_API_URL": standin.base_url,
        "SECONDS_BETWEEN_REQUESTS": "0", "STATE_DIR": str(tmp_path),
    }  # fmt: skip
    for name, value in values.items():
        monkeypatch.setenv(f"KERNELWRIGHT_{name}", value)


def examine(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, dict]]:
    """The exit code and the findings by name, as `--json` gives them."""
    code = run(["--json", *arguments])
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == code
    found = {finding["name"]: finding for finding in document["findings"]}
    assert len(found) == len(document["findings"])
    return code, found


def test_finds_nothing_where_all_is_well(repository, capsys) -> None:
    code, found = examine(capsys)

    assert code == 0
    states = {name: finding["state"] for name, finding in found.items()}
    assert states.pop("deliveries") == "note"  # the stand-in has sent none yet
    assert set(states.values()) == {"ok"}
    assert set(states) == {
        "settings", "clock", "authentication", "permissions", "events", "webhook", "reachable",
        "installed on octo", "repository", CONFIG, "label", *FILES, "generate.yml enabled",
        "verify.yml enabled", "nightly.yml enabled", "runner",
    }  # fmt: skip


def put(standin: StandIn, repository: Repository, path: str, text: str | None) -> None:
    content = None if text is None else text.encode()
    standin.person("ada", repository, "admin").push_commit("main", {path: content}, "change")


def without(name: str) -> dict[str, str]:
    return {key: level for key, level in PERMISSIONS.items() if key != name}


def registration(**changes: object) -> Change:
    def change(standin: StandIn, _: Repository) -> None:
        for name, value in changes.items():
            setattr(standin.hub.registration, name, value)

    return change


def repository_with(**changes: object) -> Change:
    def change(_: StandIn, repository: Repository) -> None:
        for name, value in changes.items():
            setattr(repository, name, value)

    return change


Fault = tuple[Change, str, str, str]  # the change, the finding, a word of its detail, of its remedy

# Faults of one group come together and are told apart: an examination takes most of a second.
FAULTS: dict[str, list[Fault]] = {
    "lacking": [
        (registration(permissions=without("checks")),
         "permissions", "checks: write", "Permissions & events"),
        (registration(events=["issues", "issue_comment", "workflow_run"]),
         "events", "pull_request_review", "subscribe"),
        (registration(hook_content_type="form"), "webhook", "sends form", "application/json"),
        (repository_with(archived=True), "repository", "archived", "unarchive"),
        (lambda _, repo: repo.labels.clear(), "label", "kernel-request", "gh label create"),
        (lambda s, repo: put(s, repo, VERIFY, None), VERIFY, "missing on main", "copy"),
        (lambda s, repo: put(s, repo, FORM, None), FORM, "missing on main", "copy"),
    ],
    "too little": [
        (registration(permissions={**PERMISSIONS, "contents": "read", "administration": "read"}),
         "permissions", "contents: write", "Permissions & events"),
        (registration(granted=without("actions")),
         "installed on octo", "actions: write", "accept"),
        (registration(hook_is_signed=False), "webhook", "not signed", "secret"),
        (repository_with(has_issues=False), "repository", "no issues", "turn issues on"),
        (repository_with(disabled_workflows={"generate.yml"}),
         "generate.yml enabled", "disabled manually", "gh workflow enable generate.yml"),
        (repository_with(runners=[]), "runner", "none online with gpu", "start a runner"),
    ],
    "out of reach": [
        (lambda standin, _: setattr(standin, "webhook_url", "http://127.0.0.1:9/webhook"),
         "reachable", "does not answer", "DNS"),
        (lambda s, repo: put(s, repo, GENERATE, None), GENERATE, "missing on main", "copy"),
        (lambda s, repo: put(s, repo, CONFIG, "problems_folder: problems\nlabels: x\n"),
         CONFIG, "line 2", "correct"),
        (repository_with(runners=[Runner(id=1, name="a", labels=("gpu",), online=False)]),
         "runner", "offline: a", "start a runner"),
    ],
    "elsewhere": [
        (lambda standin, _: setattr(standin, "webhook_url", None),
         "webhook", "no address", "URL"),
        (lambda s, repo: put(
            s, repo, GENERATE, shipped(GENERATE).replace('["gpu"]', '["gpu", "H200"]')),
         "runner", "none online with gpu, h200", "start a runner"),
    ],
    "suspended": [
        (registration(is_suspended=True),
         "installed on octo", "suspended", "/settings/installations/"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("group", FAULTS)
def test_names_each_fault_and_its_remedy(standin, repository, capsys, group: str) -> None:
    for change, *_ in FAULTS[group]:
        change(standin, repository)

    code, found = examine(capsys)

    assert code == 1
    failed = {name for name, finding in found.items() if finding["state"] == "failed"}
    assert failed == {name for _, name, _, _ in FAULTS[group]}
    for _, name, detail, remedy in FAULTS[group]:
        assert detail in found[name]["detail"]
        assert remedy in found[name]["remedy"]
        assert "\n" not in found[name]["remedy"]


@pytest.mark.parametrize(
    ("ahead_s", "state", "word"),
    [(-3, "ok", "behind"), (30, "note", "ahead of"), (-300, "failed", "behind"),
     (300, "failed", "ahead of")],
)  # fmt: skip
def test_compares_the_clock_with_githubs(ahead_s: int, state: str, word: str) -> None:
    now = datetime.now(UTC)
    found = app_checks.clock(now - timedelta(seconds=ahead_s), now)
    assert found.state == state
    assert word in found.detail
    assert ("NTP" in found.remedy) == (state == "failed")


def test_a_clock_that_is_wrong_is_told_beside_the_rest(standin, repository, capsys) -> None:
    standin.hub.state.clock = lambda: datetime.now(UTC) - timedelta(minutes=5)
    code, found = examine(capsys)
    assert code == 1
    assert "ahead of" in found["clock"]["detail"]
    assert found["runner"]["state"] == "ok"


def test_an_answer_without_a_date_is_told() -> None:
    assert app_checks.clock(None, datetime.now(UTC)).state == "unseen"


def test_a_changed_workflow_is_told_and_is_no_fault(standin, repository, capsys) -> None:
    put(standin, repository, GENERATE, shipped(GENERATE).replace("\n", "\r\n") + "\n")
    assert examine(capsys)[1][GENERATE]["state"] == "ok"

    put(standin, repository, GENERATE, shipped(GENERATE).replace("minutes: 90", "minutes: 60"))
    code, found = examine(capsys)

    assert code == 0
    assert found[GENERATE]["state"] == "note"
    assert "2 lines" in found[GENERATE]["detail"]


def test_a_repository_without_nights_is_told_so_and_nothing_is_at_fault(
    standin, repository, capsys
) -> None:
    put(standin, repository, NIGHTLY, None)

    code, found = examine(capsys)

    assert code == 0
    assert found[NIGHTLY]["state"] == "note"
    assert "copy this version's" in found[NIGHTLY]["remedy"]


def test_runners_that_the_app_may_not_see_are_no_fault(standin, repository, capsys) -> None:
    standin.hub.registration.permissions = dict(PERMISSIONS)
    code, found = examine(capsys)
    assert code == 0
    assert found["runner"]["state"] == "unseen"
    assert "Administration: read" in found["runner"]["detail"]
    assert repository.full_name in found["runner"]["remedy"]


def test_looks_for_what_the_repository_configured(standin, repository, capsys) -> None:
    put(standin, repository, CONFIG, "label: fast please\nrunner_labels: [H200]\n")
    code, found = examine(capsys)
    assert code == 1
    assert "gh label create 'fast please'" in found["label"]["remedy"]
    assert "none online with h200" in found["runner"]["detail"]


def test_an_organisations_own_runners_count(standin, repository, capsys) -> None:
    owner, repository.runners = repository.owner, []
    owner.kind, owner.runners = "Organization", [Runner(id=2, name="fleet-1", labels=("GPU",))]
    assert examine(capsys)[1]["runner"]["state"] == "unseen"

    standin.hub.registration.permissions["organization_self_hosted_runners"] = "read"
    code, found = examine(capsys)

    assert code == 0
    assert "fleet-1" in found["runner"]["detail"]


def delivered(status_code: int) -> DeliveryFacts:
    word = "OK" if status_code else "failed to connect"
    return DeliveryFacts(
        delivered_at="2026-01-02T03:04:05Z", event="issues", status=word, status_code=status_code
    )


@pytest.mark.parametrize(
    ("newest_first", "state", "word", "remedy"),
    [
        ([], "note", "none so far", ""),
        ([202, 204], "ok", "last 2 arrived", ""),
        ([401, 401], "failed", "2 of the last 2 failed: 401 (2 times)", "same secret"),
        ([404, 202], "failed", "404", "/webhook"),
        ([413, 202], "failed", "413", "25 MB"),
        ([502, 202], "failed", "502", "10 s"),
        ([0, 202], "failed", "failed to connect", "DNS"),
        ([202, 502], "note", "the newest arrived", ""),
    ],
)
def test_tells_what_became_of_the_last_deliveries(newest_first, state, word, remedy) -> None:
    found = hook_checks.deliveries([delivered(status) for status in newest_first])
    assert found.state == state
    assert word in found.detail
    assert remedy in found.remedy


def test_the_newest_delivery_decides(standin, repository, capsys) -> None:
    for status in (202, None):
        delivery = standin.hub.webhooks.send("ping", {})
        assert delivery.done.wait(10)
        delivery.status = status
    code, found = examine(capsys)
    assert code == 1
    assert "1 of the last 2 failed" in found["deliveries"]["detail"]


@pytest.mark.parametrize(
    ("status", "word", "remedy"),
    [(401, "401", "another secret"), (404, "404", "/webhook"), (200, "200", "log"),
     (502, "502", "log")],
)  # fmt: skip
def test_tells_who_answers_at_the_webhooks_address(
    service, status: int, word: str, remedy: str
) -> None:
    service.status = status
    found = hook_checks.reachable(f"http://127.0.0.1:{service.server_address[1]}/webhook", SECRET)
    assert found.state == "failed"
    assert word in found.detail
    assert remedy in found.remedy


def test_a_service_with_another_secret_is_told(service) -> None:
    service.status = None
    url = f"http://127.0.0.1:{service.server_address[1]}/webhook"
    assert hook_checks.reachable(url, SECRET).state == "ok"
    assert hook_checks.reachable(url, "another").state == "failed"


def test_a_certificate_that_nobody_checks_is_told(standin, repository, capsys) -> None:
    standin.hub.registration.hook_insecure_ssl = "1"
    standin.webhook_url = "https://127.0.0.1:9/webhook"
    assert examine(capsys)[1]["webhook"]["state"] == "note"


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        ("runs-on: gpu", {"gpu"}),
        ("runs-on: gpu # the machine", {"gpu"}),
        ("runs-on: [self-hosted, 'GPU']", {"self-hosted", "gpu"}),
        ("""runs-on: ${{ fromJSON(inputs.runner || '["gpu", "h200"]') }}""", {"gpu", "h200"}),
        ("runs-on: ${{ vars.RUNNER }}", {"gpu"}),
        ("timeout-minutes: 5", {"gpu"}),
    ],
)
def test_reads_the_labels_that_a_workflow_asks_for(line: str, labels: set[str]) -> None:
    assert runs_on(f"jobs:\n  generate:\n    {line}\n") == labels


def test_an_app_that_is_installed_nowhere(standin, repository, capsys) -> None:
    standin.hub.state.repositories.clear()
    code, found = examine(capsys)
    assert code == 1
    assert "/installations/new" in found["installed"]["remedy"]


def test_looks_at_named_repositories_only(standin, repository, capsys) -> None:
    other = standin.create_repository(f"{repository.full_name}-b", files={"README.md": b"x"})
    code, found = examine(capsys, "--repository", repository.full_name.upper())
    assert code == 0
    assert found["repository"]["subject"] == repository.full_name

    code, found = examine(capsys, "--repository", "octo/elsewhere")
    assert code == 1
    assert found["installed"]["subject"] == "octo/elsewhere"
    assert other.full_name not in {finding["subject"] for finding in found.values()}


def test_github_out_of_order_for_one_call_hides_nothing_else(standin, repository, capsys) -> None:
    for _ in range(4):  # the client asks four times
        standin.faults.answer("GET", "/app/hook/config", 502)
    code, found = examine(capsys)
    assert code == 1
    assert "502" in found["webhook"]["detail"]
    assert "githubstatus" in found["webhook"]["remedy"]
    assert found["runner"]["state"] == "ok"


def test_credentials_of_another_app(repository, capsys, monkeypatch) -> None:
    monkeypatch.setenv("KERNELWRIGHT_APP_ID", "7")
    code, found = examine(capsys)
    assert code == 1
    assert found["authentication"]["state"] == "failed"
    assert "401" in found["authentication"]["detail"]
    assert set(found) == {"settings", "clock", "authentication"}


@pytest.mark.parametrize(
    ("values", "name", "word"),
    [
        ({"APP_ID": "", "WEBHOOK_SECRET": ""}, "settings", "KERNELWRIGHT_WEBHOOK_SECRET"),
        ({"PRIVATE_KEY": "not a key"}, "settings", "private key"),
        ({"GITHUB_API_URL": "http://127.0.0.1:9"}, "GitHub", "no usable answer"),
    ],
)
def test_what_cannot_be_examined_ends_with_2(capsys, monkeypatch, values, name, word) -> None:
    for variable, value in values.items():
        monkeypatch.setenv(f"KERNELWRIGHT_{variable}", value)
    code, found = examine(capsys)
    assert code == 2
    assert found[name]["state"] == "failed"
    assert word in found[name]["detail"]
    assert found[name]["remedy"]


def test_a_settings_file_that_others_can_read_is_told(
    standin, repository, capsys, monkeypatch, tmp_path
) -> None:
    file = tmp_path / "kw.env"
    names = ("APP_ID", "PRIVATE_KEY", "WEBHOOK_SECRET", "GITHUB_API_URL")
    lines = [f"KERNELWRIGHT_{n}=" + os.environ[f"KERNELWRIGHT_{n}"] for n in names]
    file.write_text("\n".join(line.strip().replace("\n", "\\n") for line in lines))
    for name in names:
        monkeypatch.delenv(f"KERNELWRIGHT_{name}")
    file.chmod(0o640)
    code, found = examine(capsys, "--env-file", str(file))
    assert code == 0
    assert found["settings"]["remedy"] == f"chmod 600 {file}"

    file.chmod(0o600)
    assert examine(capsys, "--env-file", str(file))[1]["settings"]["state"] == "ok"


def test_prints_each_finding_with_its_remedy_below(repository, capsys) -> None:
    repository.labels.clear()
    assert run([]) == 1
    lines = capsys.readouterr().out.splitlines()
    (at,) = [n for n, line in enumerate(lines) if line.startswith("  ✗ label: ")]
    assert lines[at + 1].startswith("    → gh label create kernel-request --repo octo/")
    assert repository.full_name in lines
    assert lines[-1].endswith("1 at fault")


def test_the_command_hands_on_its_exit_code() -> None:
    environment = {**os.environ, "KERNELWRIGHT_APP_ID": ""}
    done = subprocess.run(
        [sys.executable, "-m", "bot", "doctor"], cwd=ROOT, env=environment, capture_output=True,
        text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "KERNELWRIGHT_APP_ID" in done.stdout
    assert done.stderr == ""
