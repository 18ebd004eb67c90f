"""Live progress from the runner's side: what is posted, how often, and what a failure costs."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from contextlib import closing

import pytest
from pydantic import ValidationError

from runner import progress_post
from runner.contract import Attempt, Candidate, KernelRequest, Outcome, TokenUsage
from runner.job_token import JobToken
from runner.journal import AttemptFinished, FinalVerdict, RunEnded
from runner.progress_post import ProgressPost, posting
from runner.progress_tally import Tally, best_so_far
from runner.run_progress import MAX_PROGRESS_BYTES, BestSoFar, RunProgress
from runner.settings import JOB_IDENTITY, ProgressSettings, read_settings
from runner.small_http import check_address
from tests.fakes.command_line import run
from tests.fakes.measured import baseline, performance, timing
from tests.fakes.progress_server import SECRET, both_ends

REQUEST_ID = "kw-0123456789abcdef"


@pytest.fixture
def ends():
    with both_ends() as made:
        yield made


@pytest.fixture
def finished(fakes):
    def make(index: int, status: str = "COMPILE_ERROR", *, kept: bool = False, evaluation=None):
        verdict = evaluation or fakes.evaluation(status, Candidate.of(f"{index}", index))
        attempt = Attempt(
            index=index,
            phase="explore",
            evaluation=verdict,
            tokens=TokenUsage(),
            model_s=1.0,
            verifier_s=1.0,
            kept=kept,
        )
        return AttemptFinished(at_s=float(index), attempt=attempt)

    return make


@pytest.fixture
def log():
    return io.StringIO()


def poster(settings: ProgressSettings, log, interval_s: float = 0.01) -> ProgressPost:
    began_s = time.monotonic()
    return ProgressPost(
        settings,
        Tally(REQUEST_ID),
        at_s=lambda: time.monotonic() - began_s,
        left_s=lambda: 90.0,
        log=log,
        interval_s=interval_s,
    )


def until(condition) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def test_the_tally_counts_what_the_journal_says(finished, fakes):
    tally = Tally(REQUEST_ID)
    first = tally.progress(0.0, 900.0)
    assert (first.phase, first.attempts, first.last_status, first.best) == (
        "preparing", 0, None, None,
    )  # fmt: skip
    for event in (finished(1), finished(2, "PASSED", kept=True), finished(3, "CHEATED")):
        tally.add(event)
    now = tally.progress(30.0, -5.0)
    assert (now.attempts, now.passed, now.last_status) == (3, 1, "CHEATED")
    assert now.best == BestSoFar(attempt=2)
    assert now.left_s == 0.0
    verdict = fakes.evaluation("PASSED", Candidate.of("2", 2))
    tally.add(FinalVerdict(at_s=40, attempt=2, evaluation=verdict))
    assert tally.progress(40.0, 1.0).phase == "final"
    tally.add(
        RunEnded(at_s=41, outcome=Outcome.CORRECT, best_attempt=2, stopped_because="budget spent")
    )
    assert tally.progress(41.0, 1.0).phase == "ended"


def test_the_best_is_told_at_its_weakest():
    rows = (
        timing(baselines=(baseline("eager", 3.0), baseline("compile", 1.2))),
        timing(baselines=(baseline("eager", 2.0), baseline("compile", 0.9))),
    )
    best = best_so_far(7, performance(*rows))
    assert (best.attempt, best.baseline, best.ratio) == (7, "compile", 0.9)
    assert (best.ratio_low, best.ratio_high) == pytest.approx((0.8, 1.0))


def test_a_baseline_of_any_name_fits_the_contract():
    hostile = timing(baselines=(baseline("\x1b[2J\n" + "x" * 500),))
    name = best_so_far(1, performance(hostile)).baseline
    assert name is not None
    assert len(name) <= 80
    assert name.isprintable()
    nameless = timing(baselines=(baseline("\n"),))
    assert best_so_far(1, performance(nameless)).baseline == "baseline"


def test_the_longest_document_is_within_the_bots_cap():
    best = BestSoFar(
        attempt=1_000_000,
        ratio=1e-300,
        ratio_low=1e-300,
        ratio_high=1e-300,
        baseline="\U0010ffff" * 80,
    )
    longest = RunProgress(
        request_id=REQUEST_ID, at_s=123456.789012345, phase="searching", attempts=1_000_000,
        passed=1_000_000, last_status="INCORRECT_NUMERICAL", best=best, left_s=12345.6789012345,
    )  # fmt: skip
    assert len(longest.model_dump_json().encode()) < MAX_PROGRESS_BYTES / 2


@pytest.mark.parametrize("at_s", [-1.0, float("nan"), float("inf"), 1e9])
def test_the_contract_bounds_its_numbers(at_s):
    with pytest.raises(ValidationError):
        RunProgress(request_id=REQUEST_ID, at_s=at_s, phase="final", attempts=0, passed=0, left_s=0)


def test_the_first_word_comes_before_any_event(ends, log):
    with closing(poster(ends.settings(), log)):
        ends.wait_for(1)
    assert ends.posts[0].phase == "preparing"
    assert ends.audiences == ["kernelwright & more"]
    assert log.getvalue() == ""


def test_many_events_are_few_posts_and_the_last_state_arrives(ends, log, finished):
    with closing(poster(ends.settings(), log, interval_s=0.1)) as post:
        ends.wait_for(1)
        for index in range(1, 301):
            post(finished(index))
        until(lambda: ends.posts[-1].attempts == 300)
    assert len(ends.posts) <= 5
    times = [each.at_s for each in ends.posts]
    assert times == sorted(set(times))


def test_nothing_is_posted_while_nothing_happens(ends, log):
    with closing(poster(ends.settings(), log)):
        ends.wait_for(1)
        time.sleep(0.1)
        assert len(ends.posts) == 1


def test_the_last_state_is_posted_at_the_end(ends, log, finished):
    with closing(poster(ends.settings(), log, interval_s=60.0)) as post:
        ends.wait_for(1)
        post(finished(1))
    assert [each.attempts for each in ends.posts] == [0, 1]


def test_a_resumed_run_counts_what_it_did_before(ends, log, finished):
    with closing(poster(ends.settings(), log)) as post:
        post.recall([finished(1), finished(2)])
        post(finished(3))
        until(lambda: ends.posts and ends.posts[-1].attempts == 3)


def test_one_token_serves_until_shortly_before_its_end(ends, log, finished):
    with closing(poster(ends.settings(), log)) as post:
        for index in range(1, 4):
            post(finished(index))
            ends.wait_for(index)
    assert len(ends.audiences) == 1
    assert len(set(ends.bearers)) == 1


def test_a_token_near_its_end_is_replaced(ends):
    now_s = [time.time()]
    token = JobToken(ends.settings(), now_s=lambda: now_s[0])
    first = token()
    now_s[0] += 200.0
    assert token() == first
    now_s[0] += 60.0
    assert token() != first


def test_a_refused_token_is_replaced_at_the_next_post(ends, log, finished):
    ends.answer = lambda count: (401 if count == 1 else 202, {})
    with closing(poster(ends.settings(), log)) as post:
        ends.wait_for(1)
        post(finished(1))
        ends.wait_for(2)
    assert len(set(ends.bearers)) == 2


@pytest.mark.parametrize("status", [301, 400, 403, 404, 422, 500, 503])
def test_a_bot_that_refuses_costs_one_line_in_the_log(ends, log, finished, status):
    ends.answer = lambda count: (status, {"Location": f"{ends.url}/elsewhere"})
    with closing(poster(ends.settings(), log)) as post:
        for index in range(1, 4):
            post(finished(index))
            ends.wait_for(index)
        until(log.getvalue)
    (line,) = log.getvalue().splitlines()
    assert line.startswith("no live progress, and the run goes on without: the bot answered")
    assert str(status) in line
    assert SECRET not in line
    assert ends.elsewhere == 0  # a redirect would carry the token along


def test_to_be_told_to_wait_is_no_failure(ends, log, finished):
    ends.answer = lambda count: (429, {"Retry-After": "3600"})
    with closing(poster(ends.settings(), log)) as post:
        ends.wait_for(1)
        for index in range(1, 20):
            post(finished(index))
        time.sleep(0.1)
    assert len(ends.posts) == 1
    assert log.getvalue() == ""


@pytest.mark.parametrize("status", [401, 500])
def test_a_job_that_gets_no_token_posts_nothing(ends, log, status):
    ends.token_status = status
    with closing(poster(ends.settings(), log)):
        until(log.getvalue)
    assert ends.posts == []
    assert f"status {status}" in log.getvalue()
    assert SECRET not in log.getvalue()


def test_a_bot_that_hangs_delays_nobody(ends, log, finished, monkeypatch):
    monkeypatch.setattr(progress_post, "_FAREWELL_S", 0.05)
    ends.hangs = threading.Event()
    post = poster(ends.settings(), log)
    until(lambda: ends.audiences)
    began_s = time.monotonic()
    for index in range(1, 100):
        post(finished(index))
    post.close()
    post.close()
    assert time.monotonic() - began_s < 1.0


def test_a_bot_that_is_not_there_costs_one_line(log, finished):
    settings = ProgressSettings(
        url="http://127.0.0.1:9/progress", audience="a",
        token_request_url="http://127.0.0.1:9/token", token_request_token=SECRET,
    )  # fmt: skip
    with closing(poster(settings, log)) as post:
        post(finished(1))
        until(log.getvalue)
    assert len(log.getvalue().splitlines()) == 1


@pytest.mark.parametrize(
    "url",
    ["http://bot.example/progress", "http://127.0.0.1.evil.example/", "ftp://x/", "file:///etc",
     "bot.example", "https://", ""],
)  # fmt: skip
def test_no_token_goes_where_it_could_be_read_on_the_way(url):
    with pytest.raises(ValueError, match="address"):
        check_address(url)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"token_request_token": ""}, "id-token: write"),
        ({"token_request_url": ""}, "id-token: write"),
        ({"url": "http://bot.example/progress"}, "https://"),
        ({"token_request_url": "http://token.example/"}, "https://"),
    ],
)
def test_what_cannot_work_is_said_once_and_started_never(ends, log, changes, says):
    with posting(ends.settings(**changes), REQUEST_ID, lambda: 0.0, lambda: 0.0, log) as post:
        assert post is None
    (line,) = log.getvalue().splitlines()
    assert says in line


@pytest.mark.parametrize("case", ["no address", "no request"])
def test_nobody_who_waits_means_no_post_and_no_word(ends, log, case):
    settings = None if case == "no address" else ends.settings()
    request_id = None if case == "no request" else REQUEST_ID
    with posting(settings, request_id, lambda: 0.0, lambda: 0.0, log) as post:
        assert post is None
    assert (log.getvalue(), ends.posts) == ("", [])


def test_settings_come_from_the_jobs_environment():
    names = {"KERNELWRIGHT_PROGRESS_URL": "https://bot/progress", JOB_IDENTITY[0]: "https://t"}
    settings = read_settings({**names, JOB_IDENTITY[1]: SECRET}).progress
    assert settings == ProgressSettings(
        url="https://bot/progress", audience="kernelwright",
        token_request_url="https://t", token_request_token=SECRET,
    )  # fmt: skip
    assert SECRET not in repr(settings)
    assert read_settings({JOB_IDENTITY[0]: "https://t", JOB_IDENTITY[1]: SECRET}).progress is None
    named = read_settings({**names, "KERNELWRIGHT_OIDC_AUDIENCE": "ours"}).progress
    assert named is not None
    assert (named.audience, named.token_request_token) == ("ours", "")


@pytest.fixture
def request_file(double_it, tmp_path):
    request = KernelRequest(
        request_id=REQUEST_ID, repository="octo/kernels", base_sha="a" * 40, issue_number=7,
        generation=0, requested_by="ann", problem_toml=double_it.toml_text,
        reference_py=double_it.reference_text,
    )  # fmt: skip
    path = tmp_path / "request.json"
    path.write_text(request.model_dump_json())
    return path


@pytest.fixture
def replayed(tmp_path, fakes):
    path = tmp_path / "transcript.jsonl"
    row = {"generation": 0, "attempt": 1, "model": "handwritten"}
    path.write_text(json.dumps({**row, "content": fakes.kernel_answer("a")}) + "\n")
    return f"replay:{path}"


@pytest.mark.parametrize("bot", ["there", "gone"])
def test_a_run_posts_and_its_children_cannot(
    machine, request_file, replayed, ends, tmp_path, monkeypatch, capsys, bot
):
    settings = ends.settings()
    monkeypatch.setenv(JOB_IDENTITY[0], settings.token_request_url)
    monkeypatch.setenv(JOB_IDENTITY[1], SECRET)
    address = settings.url if bot == "there" else "http://127.0.0.1:9/progress"
    monkeypatch.setenv("KERNELWRIGHT_PROGRESS_URL", address)
    machine.verdicts = ["PASSED"]
    out = tmp_path / "out"

    assert run("generate", "--request", request_file, "--model", replayed, "--out", out) == 0
    assert not set(JOB_IDENTITY) & set(os.environ)
    assert (out / "bundle").is_dir()
    assert SECRET not in capsys.readouterr().err
    written = [path.read_text() for path in out.rglob("*") if path.is_file()]
    assert not any(SECRET in text or "ACTIONS_ID_TOKEN" in text for text in written)
    if bot == "there":
        assert {post.request_id for post in ends.posts} == {REQUEST_ID}
        assert (ends.posts[-1].phase, ends.posts[-1].passed) == ("ended", 1)
    else:
        assert ends.posts == []
