"""A run killed between any two lines, or within one, goes on and comes to the same end."""

from __future__ import annotations

import json

import pytest

from runner import generate as generate_module
from runner.contract import Candidate
from runner.journal import Journal, parse_event
from runner.tune.types import Tuned
from tests.fakes import skill_curve
from tests.fakes.command_line import one_complaint, run
from tests.fakes.scripted_verifier import install
from tests.fakes.skill_curve import CurveJudge, CurveModel, best_of

ATTEMPTS = 8
EVERY = set(range(1, ATTEMPTS + 1))


@pytest.fixture
def curve(monkeypatch, fakes, cpu_environment, double_it_folder):
    """`generate` on this machine with a model and verdicts that follow the skill curve."""
    monkeypatch.delenv("KERNELWRIGHT_ALLOW_NO_SANDBOX", raising=False)
    state = install(monkeypatch, lambda script: CurveJudge(fakes.evaluation), cpu_environment)
    models = []

    def open_model(*args, **options):
        models.append(CurveModel())
        return models[-1]

    monkeypatch.setattr(generate_module, "open_model", open_model)

    def go(out, *extra, streams=1, attempts=ATTEMPTS):
        limits = ("--attempts", attempts, "--streams", streams)
        code = run("generate", double_it_folder, "--model", "curve", "--out", out, *limits, *extra)
        return code, [(p.attempt, p.text) for p in models[-1].prompts] if models else []

    go.machine = state
    return go


def lines(path):
    return path.read_text().splitlines(keepends=True) if path.exists() else []


def events(out):
    return [json.loads(line) for line in lines(out / "journal.jsonl")]


def manifest(out):
    return json.loads((out / "bundle" / "manifest.json").read_text())


def paid(out):
    return [json.loads(line)["attempt"] for line in lines(out / "transcript.jsonl")]


def killed_at(out, where, count, *, torn, late):
    """A folder as a kill leaves it: `count` lines of the journal, and the answers until then.

    `torn`: half of the next line, too. `late`: the next answer was on disk, but not yet noted.
    """
    where.mkdir()
    whole = lines(out / "journal.jsonl")
    kept = [json.loads(line) for line in whole[:count]]
    half = whole[count][: len(whole[count]) // 2] if torn and count < len(whole) else ""
    (where / "journal.jsonl").write_text("".join(whole[:count]) + half)
    noted = {event["attempt"] for event in kept if event["event"] == "answer_received"}
    asked = {event["attempt"] for event in kept if event["event"] == "prompt_sent"}
    here = noted | (set(sorted(asked - noted)[:1]) if late else set())
    answers = [row for row in lines(out / "transcript.jsonl") if json.loads(row)["attempt"] in here]
    if answers:
        (where / "transcript.jsonl").write_text("".join(answers))
    return here


@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.parametrize(("torn", "late"), [(False, False), (True, False), (False, True)])
def test_resumes_from_every_line_without_paying_twice(curve, tmp_path, streams, torn, late):
    whole = tmp_path / "whole"
    code, _ = curve(whole, streams=streams)
    assert code == 0
    sent = {e["attempt"]: e["text"] for e in events(whole) if e["event"] == "prompt_sent"}
    for count in range(len(events(whole)) + 1):
        out = tmp_path / f"killed-{count}"
        here = killed_at(whole, out, count, torn=torn, late=late)
        asked_before = {e["attempt"] for e in events(whole)[:count] if e["event"] == "prompt_sent"}
        code, asked = curve(out, "--resume", streams=streams)
        assert code == 0
        numbers = [attempt for attempt, _ in asked]
        assert len(numbers) == len(set(numbers))
        assert set(numbers) == EVERY - here
        assert all(text == sent[n] for n, text in asked if n in asked_before)
        assert sorted(paid(out)) == sorted(EVERY)
        assert manifest(out)["best_attempt"] == best_of(EVERY)
        assert [row["index"] for row in manifest(out)["attempts"]] == sorted(EVERY)
        assert f"number_{best_of(EVERY)}" in (out / "best" / "kernel.py").read_text()
        at_s = [event["at_s"] for event in events(out)]
        assert at_s == sorted(at_s)


def test_a_run_that_was_never_killed_comes_to_the_same_end_again(curve, tmp_path, capsys):
    out = tmp_path / "out"
    curve(out)
    before = events(out)
    capsys.readouterr()
    code, asked = curve(out, "--resume")
    assert (code, asked) == (0, [])
    assert events(out) == before
    assert "nothing to resume: attempts spent" in capsys.readouterr().err


def test_a_larger_budget_goes_on_with_a_run_that_had_ended(curve, tmp_path):
    out = tmp_path / "out"
    curve(out, attempts=3)
    code, asked = curve(out, "--resume", attempts=5)
    assert code == 0
    assert [attempt for attempt, _ in asked] == [4, 5]
    assert manifest(out)["best_attempt"] == best_of({1, 2, 3, 4, 5})
    assert [event["event"] for event in events(out)].count("run_resumed") == 1


def test_what_was_spent_counts(curve, tmp_path):
    out = tmp_path / "out"
    curve(out, "--budget", "30s", attempts=2)
    kept = [event for event in events(out) if event["event"] != "run_ended"]
    kept[-1]["at_s"] = 29.5
    (out / "journal.jsonl").write_text("".join(json.dumps(event) + "\n" for event in kept))
    code, asked = curve(out, "--resume", "--budget", "30s", attempts=9)
    assert (code, asked) == (0, [])
    assert manifest(out)["stopped_because"] == "budget spent"


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (("--generation", 1), "the generation was 0, and now it is 1"),
        (("--budget", "10s"), "a smaller budget: wall_clock_s was 900.0, and now it is 10.0"),
        (("--tokens", 7), "a smaller budget: max_tokens was unlimited, and now it is 7"),
    ],
)
def test_another_run_is_refused_in_one_line(curve, tmp_path, capsys, extra, words):
    out = tmp_path / "out"
    curve(out)
    capsys.readouterr()
    before = (out / "journal.jsonl").read_bytes()
    code, _ = curve(out, "--resume", *extra)
    assert code == 2
    assert words in one_complaint(capsys)
    assert (out / "journal.jsonl").read_bytes() == before


def test_another_problem_is_refused(curve, tmp_path, capsys, double_it_folder):
    out = tmp_path / "out"
    curve(out)
    capsys.readouterr()
    (double_it_folder / "reference.py").write_text("def double_it(x):\n    return x + x\n")
    assert curve(out, "--resume")[0] == 2
    assert "the problem's text was" in one_complaint(capsys)


@pytest.mark.parametrize("line", ["half a line\n", '{"event": "unheard_of"}\n'])
def test_only_the_last_line_may_be_torn(curve, tmp_path, capsys, line):
    out = tmp_path / "out"
    curve(out)
    capsys.readouterr()
    whole = lines(out / "journal.jsonl")
    (out / "journal.jsonl").write_text("".join([*whole[:3], line, *whole[3:]]))
    assert curve(out, "--resume")[0] == 2
    assert "journal.jsonl:4" in one_complaint(capsys)


def test_a_transcript_that_lacks_an_answer_is_refused(curve, tmp_path, capsys):
    out = tmp_path / "out"
    curve(out)
    capsys.readouterr()
    (out / "transcript.jsonl").unlink()
    assert curve(out, "--resume", attempts=ATTEMPTS + 1)[0] == 2
    assert "the transcript lacks the answer 1" in one_complaint(capsys)


def test_a_folder_of_something_else_is_refused(curve, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    assert curve(out, "--resume")[0] == 2
    assert "there is no journal.jsonl to resume" in one_complaint(capsys)


def test_two_runs_never_write_to_one_folder(curve, tmp_path, capsys):
    out = tmp_path / "out"
    curve(out)
    capsys.readouterr()
    other = Journal(out / "journal.jsonl")
    try:
        assert curve(out, "--resume")[0] == 2
        assert "another run is writing to" in one_complaint(capsys)
    finally:
        other.close()


def test_resume_of_an_empty_folder_is_a_first_start(curve, tmp_path):
    code, asked = curve(tmp_path / "new", "--resume", attempts=2)
    assert (code, len(asked)) == (0, 2)
    assert parse_event(lines(tmp_path / "new" / "journal.jsonl")[0]).event == "run_started"


def test_a_tuned_kernel_is_judged_after_a_kill_and_not_tuned_again(curve, tmp_path, monkeypatch):
    plain = skill_curve.source_of
    monkeypatch.setattr(
        skill_curve, "source_of", lambda attempt: f"TUNABLES = {{}}\n{plain(attempt)}"
    )
    frozen = Candidate.of(plain(900), 0)
    tuned = Tuned(candidate=frozen, config={}, tried=2, dropped=0, timed=2, note="B = 2")
    curve.machine.gpu = True
    curve.machine.tunes = [tuned]
    whole = tmp_path / "whole"
    curve(whole, attempts=4)
    assert curve.machine.tunes == []
    for count in range(len(events(whole))):
        out = tmp_path / f"killed-{count}"
        killed_at(whole, out, count, torn=True, late=False)
        before = events(whole)[:count]
        done = any(e["event"] == "tune_finished" and e["attempt"] for e in before)
        curve.machine.tunes = [] if done else [tuned]
        curve(out, "--resume", attempts=4)
        attempts = manifest(out)["attempts"]
        assert [row["phase"] for row in attempts].count("tune") == 1
        assert [row["index"] for row in attempts] == [1, 2, 3, 4, 5]
        assert len(paid(out)) == len(set(paid(out))) == 4
