"""The command line: exit codes, one line for each failure, and what is left on disk."""

from __future__ import annotations

import argparse
import errno
import json

import pytest

from runner import cli, doctor
from runner.argument_values import budget_s
from runner.arguments import make_parser
from runner.bundle import pack_bundle, read_bundle
from runner.contract import KernelRequest, Outcome, sha256_hex
from runner.errors import ReferenceFailed, SandboxUnavailable
from runner.journal import PromptSent, parse_event
from runner.kernel_facts import with_facts, without_facts
from runner.model.transcript import read_transcript
from tests.fakes.command_line import one_complaint, run
from tests.fakes.measured import ROOFLINE


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("KERNELWRIGHT_MODEL", "KERNELWRIGHT_ALLOW_NO_SANDBOX", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def transcript(tmp_path, fakes):
    """A transcript of generation 0 and 1; each answer's kernel is unique."""
    path = tmp_path / "transcript.jsonl"
    rows = [
        {"generation": g, "attempt": a, "model": "handwritten", "content": fakes.kernel_answer(tag)}
        for g, a, tag in [(0, 1, "a"), (0, 2, "b"), (0, 3, "c"), (1, 1, "d")]
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def request_for(double_it, **fields) -> KernelRequest:
    return KernelRequest(
        **{
            "request_id": "kw-0123456789abcdef",
            "repository": "octo/kernels",
            "base_sha": "a" * 40,
            "issue_number": 7,
            "generation": 0,
            "requested_by": "ann",
            "problem_toml": double_it.toml_text,
            "reference_py": double_it.reference_text,
            **fields,
        }
    )


def test_generate_writes_bundle_best_journal_and_summary(
    machine, double_it_folder, transcript, tmp_path, capsys
):
    machine.verdicts = ["COMPILE_ERROR", ("PASSED", 64), ("PASSED", 0)]
    out = tmp_path / "out"
    assert run("generate", double_it_folder, "--model", f"replay:{transcript}", "--out", out) == 0
    kernel = (out / "best" / "kernel.py").read_text()
    assert kernel == "# c\ndef double_it(x):\n    return x.c\n"
    assert json.loads((out / "best" / "evaluation.json").read_text())[
        "candidate_sha256"
    ] == sha256_hex(kernel)
    folder = out / "bundle" / "problems" / "double_it"
    delivered = (folder / "kernel.py").read_text()
    assert without_facts(delivered) == kernel
    assert delivered.startswith('"""Measured by kernelwright.')
    results = json.loads((folder / "results.json").read_text())
    assert results["outcome"] == "CORRECT"
    assert results["model"] == "handwritten"
    assert results["evaluation"]["performance"] is None
    assert results["parent"] is None
    assert [row["status"] for row in results["attempts"]] == ["COMPILE_ERROR", "PASSED", "PASSED"]
    events = [parse_event(line) for line in (out / "journal.jsonl").read_text().splitlines()]
    assert events[0].event == "run_started"
    assert events[-1].event == "run_ended"
    assert events[-1].best_attempt == 3
    assert len(read_transcript(out / "transcript.jsonl")) == 3
    summary = (out / "summary.md").read_text()
    assert "CORRECT" in summary
    assert "not measured: no GPU" in summary
    captured = capsys.readouterr()
    assert "attempt 1  COMPILE_ERROR" in captured.err
    assert captured.out == ""
    assert machine.closed == 1


@pytest.mark.parametrize(("roofline", "told"), [(None, False), (ROOFLINE, True)])
def test_the_first_question_knows_what_the_gpu_was_measured_to_do(
    machine, double_it_folder, transcript, tmp_path, roofline, told
):
    machine.verdicts, machine.roofline = ["PASSED"], roofline
    out = tmp_path / "out"
    assert run("generate", double_it_folder, "--model", f"replay:{transcript}", "--out", out) == 0
    events = map(parse_event, (out / "journal.jsonl").read_text().splitlines())
    first = next(event for event in events if isinstance(event, PromptSent))
    assert ("4,000 GB/s" in first.text) is told


def test_generate_for_a_request_makes_the_bundle_of_that_request(
    machine, double_it, transcript, tmp_path
):
    machine.verdicts = ["PASSED", "PASSED", "PASSED"]
    request = request_for(double_it)
    path = tmp_path / "request.json"
    path.write_text(request.model_dump_json())
    out = tmp_path / "out"
    assert run("generate", "--request", path, "--model", f"replay:{transcript}", "--out", out) == 0
    bundle = read_bundle(pack_bundle(out / "bundle"), request=request)
    assert bundle.manifest.outcome is Outcome.CORRECT
    assert bundle.manifest.best_attempt == 1
    assert bundle.manifest.stopped_because == "no further answer"
    assert {path.rsplit("/", 1)[1] for path in bundle.files} == {
        "problem.toml",
        "reference.py",
        "kernel.py",
        "test_kernel.py",
        "bench_kernel.py",
        "results.json",
        "README.md",
        "search.svg",
        "times.svg",
        "transcript.jsonl",
    }


def test_review_round_reads_its_generation_and_records_the_parent(
    machine, double_it, transcript, tmp_path
):
    machine.verdicts = [("PASSED", 0), ("PASSED", 8)]
    parent = "# parent\ndef double_it(x):\n    return x\n"
    request = request_for(
        double_it,
        generation=1,
        # As the branch has it: with the facts of its own round, which are no part of the kernel.
        parent_kernel=with_facts(parent, "Speed: 1.1x"),
        parent_head_sha="b" * 40,
        feedback={"author": "ann", "text": "Use strides."},
    )
    path = tmp_path / "request.json"
    path.write_text(request.model_dump_json())
    out = tmp_path / "out"
    assert run("generate", "--request", path, "--model", f"replay:{transcript}", "--out", out) == 0
    bundle = read_bundle(pack_bundle(out / "bundle"), request=request)
    assert bundle.manifest.parent_sha256 == sha256_hex(parent)
    assert bundle.manifest.attempts[0].phase == "review"
    delivered = bundle.problem_file("kernel.py").decode()
    assert without_facts(delivered) == "# d\ndef double_it(x):\n    return x.d\n"
    results = json.loads(bundle.problem_file("results.json"))
    assert results["parent"]["candidate_sha256"] == sha256_hex(parent)
    assert results["generation"] == 1
    ended_s = [row["at_s"] for row in results["attempts"]]
    assert ended_s == sorted(ended_s)
    assert ended_s[0] > 0


def test_unsolved_is_a_bundle_without_a_kernel(machine, double_it, transcript, tmp_path):
    machine.verdicts = ["COMPILE_ERROR", "CHEATED", "TIMEOUT"]
    request = request_for(double_it)
    path = tmp_path / "request.json"
    path.write_text(request.model_dump_json())
    out = tmp_path / "out"
    assert run("generate", "--request", path, "--model", f"replay:{transcript}", "--out", out) == 0
    bundle = read_bundle(pack_bundle(out / "bundle"), request=request)
    assert bundle.manifest.outcome is Outcome.UNSOLVED
    assert bundle.problem_file("kernel.py") is None
    assert not (out / "best").exists()
    assert "no kernel passed" in (out / "summary.md").read_text()


def test_a_generation_without_answers_is_an_unsolved_bundle(
    machine, double_it_folder, transcript, tmp_path
):
    out = tmp_path / "out"
    model = f"replay:{transcript}"
    code = run("generate", double_it_folder, "--model", model, "--generation", 9, "--out", out)
    assert code == 0
    manifest = json.loads((out / "bundle" / "manifest.json").read_text())
    assert (manifest["outcome"], manifest["attempts"]) == ("UNSOLVED", [])
    assert manifest["stopped_because"] == "no further answer"


def test_budget_on_the_command_line_wins_over_the_requests(
    machine, double_it, transcript, tmp_path
):
    path = tmp_path / "request.json"
    path.write_text(request_for(double_it, budget={"wall_clock_s": 900}).model_dump_json())
    machine.verdicts = ["REJECTED"] * 3
    out = tmp_path / "out"
    model = f"replay:{transcript}"
    assert (
        run("generate", "--request", path, "--model", model, "--budget", "90s", "--out", out) == 0
    )
    first = (out / "journal.jsonl").read_text().splitlines()[0]
    assert parse_event(first).budget.wall_clock_s == 90


def test_limits_on_the_command_line_are_the_runs(machine, double_it_folder, transcript, tmp_path):
    machine.verdicts = ["REJECTED"] * 2
    out = tmp_path / "out"
    limits = ("--streams", 2, "--attempts", 2, "--tokens", 5000)
    model = f"replay:{transcript}"
    assert run("generate", double_it_folder, "--model", model, *limits, "--out", out) == 0
    budget = parse_event((out / "journal.jsonl").read_text().splitlines()[0]).budget
    assert (budget.streams, budget.max_attempts, budget.max_tokens) == (2, 2, 5000)


def test_model_comes_from_the_environment(
    machine, double_it_folder, transcript, tmp_path, monkeypatch
):
    monkeypatch.setenv("KERNELWRIGHT_MODEL", f"replay:{transcript}")
    monkeypatch.setenv("KERNELWRIGHT_ALLOW_NO_SANDBOX", "1")
    machine.verdicts = ["REJECTED"] * 3
    assert run("generate", double_it_folder, "--out", tmp_path / "out") == 0
    assert machine.options.allow_no_sandbox is True


def test_no_sandbox_is_never_allowed_unasked(machine, double_it_folder, transcript, tmp_path):
    machine.verdicts = ["REJECTED"] * 3
    model = f"replay:{transcript}"
    assert run("generate", double_it_folder, "--model", model, "--out", tmp_path / "out") == 0
    assert machine.options.allow_no_sandbox is False


@pytest.mark.parametrize(
    ("fails", "words"),
    [
        (SandboxUnavailable("bubblewrap is missing: apt-get install bubblewrap"), "bubblewrap"),
        (ReferenceFailed("the reference\nnever ends"), "the reference never ends"),
        (KeyError("a bug of ours"), "internal error: KeyError"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "torch is not installed"),
    ],
)
def test_infrastructure_failures_are_one_line_and_exit_2(
    machine, double_it_folder, transcript, tmp_path, capsys, fails, words
):
    machine.fails = fails
    model = f"replay:{transcript}"
    assert run("generate", double_it_folder, "--model", model, "--out", tmp_path / "out") == 2
    assert words in one_complaint(capsys)


def test_an_endpoint_without_key_is_one_line(machine, double_it_folder, tmp_path, capsys):
    assert run("generate", double_it_folder, "--model", "r1", "--out", tmp_path / "out") == 2
    assert "OPENAI_API_KEY is not set" in one_complaint(capsys)


def test_never_mixes_two_runs_in_one_folder(
    machine, double_it_folder, transcript, tmp_path, capsys
):
    out = tmp_path / "out"
    out.mkdir()
    (out / "journal.jsonl").write_text("another run's\n")
    code = run("generate", double_it_folder, "--model", f"replay:{transcript}", "--out", out)
    assert code == 2
    assert "is not empty" in one_complaint(capsys)
    assert (out / "journal.jsonl").read_text() == "another run's\n"


def test_generate_without_a_model_says_what_to_set(double_it_folder, tmp_path, capsys):
    assert run("generate", double_it_folder, "--out", tmp_path / "out") == 2
    assert "--model SPEC or set KERNELWRIGHT_MODEL" in one_complaint(capsys)


def test_generate_takes_a_folder_or_a_request(double_it_folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("generate", "--model", "replay:x", "--out", out) == 2
    assert "PROBLEM_DIR or --request" in one_complaint(capsys)
    arguments = ("--model", "replay:x", "--request", "r.json", "--out", out)
    assert run("generate", double_it_folder, *arguments) == 2
    assert "PROBLEM_DIR or --request" in one_complaint(capsys)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "Invalid JSON"),
        (b"{}", "Field required"),
        (b"\xff", "not UTF-8"),
        (None, "No such file"),
    ],
)
def test_a_bad_request_file_is_one_line(tmp_path, capsys, content, words):
    path = tmp_path / "request.json"
    if content is not None:
        path.write_bytes(content)
    assert run("generate", "--request", path, "--model", "replay:x", "--out", tmp_path / "o") == 2
    assert words in one_complaint(capsys)


def test_every_fault_of_a_spec_is_named(double_it_folder, tmp_path, capsys):
    spec = double_it_folder / "problem.toml"
    spec.write_text(spec.read_text().replace('"float32"', '"float31"').replace("N = 77", "N = 0"))
    assert run("verify", double_it_folder) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 3
    assert all(line.startswith("kernelwright: problem.toml:") for line in lines)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["unheard-of"],
        ["verify"],
        ["generate", "p", "--out", "o", "--budget", "soon"],
        ["generate", "p", "--out", "o", "--budget", "0s"],
        ["generate", "p", "--out", "o", "--budget", "7h"],
        ["generate", "p", "--out", "o", "--generation", "-1"],
        ["verify", "p", "--timeout", "never"],
        ["verify", "p", "--device", "tpu"],
        ["bench"],
        ["bench", "p", "--rounds", "0"],
        ["bench", "p", "--rounds", "many"],
        ["bench", "p", "--rounds", "100001"],
        ["doctor", "p"],
    ],
)
def test_misuse_is_exit_2(arguments, capsys):
    assert cli.main(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15m", 900), ("90s", 90), ("1h", 3600), ("0.5m", 30), (" 2m ", 120), ("1h30m", 5400)],
)
def test_reads_budgets(text, seconds):
    assert budget_s(text) == seconds


@pytest.mark.parametrize(("works", "code"), [(True, 0), (False, 1)])
def test_doctor_exit_code_says_whether_anything_can_be_verified(monkeypatch, works, code):
    monkeypatch.setattr(doctor, "run_doctor", lambda *, as_json: works)
    assert run("doctor", "--json") == code


@pytest.mark.parametrize("text", ["", "m", "1m1h", "1h30", "30m30m", "1h30m x", "-1m", "1e3s"])
def test_refuses_what_is_no_time(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a time such as"):
        budget_s(text)


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["verify", "here", "there"],
        ["verify", "here", "--timeout", "0"],
        ["generate", "here", "--out", "out", "--budget", "soon"],
        ["sweep"],
    ],
)
def test_misuse_is_one_line_that_says_where_help_is(arguments, capsys):
    assert run(*arguments) == 2
    assert " --help" in one_complaint(capsys)


def commands():
    (choice,) = [a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return choice.choices.items()


@pytest.mark.parametrize(("name", "command"), commands())
def test_help_says_what_a_command_and_each_of_its_arguments_is_for(name, command):
    assert command.description
    assert [action.dest for action in command._actions if not action.help] == []


def test_help_names_every_kind_of_model():
    text = " ".join(dict(commands())["generate"].format_help().split())
    assert all(
        kind in text for kind in ("deepseek", "nim", "vllm", "openai:", "record:", "replay:")
    )


def test_a_request_that_is_not_there_is_said_in_words(tmp_path, capsys):
    asked = ("generate", "--request", tmp_path / "none.json", "--model", "x", "--out", tmp_path)
    assert run(*asked) == 2
    assert one_complaint(capsys).endswith("none.json: No such file or directory")


def test_a_folder_that_is_not_there_is_one_line(tmp_path, capsys):
    assert run("verify", tmp_path / "none") == 2
    assert "there is no folder" in one_complaint(capsys)


def test_a_file_in_place_of_a_problem_folder_is_said(double_it_folder, capsys):
    assert run("verify", double_it_folder / "reference.py") == 2
    assert "is a file: name the folder that has problem.toml" in one_complaint(capsys)


def test_a_spec_that_is_a_folder_is_said_in_words(double_it_folder, capsys):
    (double_it_folder / "problem.toml").unlink()
    (double_it_folder / "problem.toml").mkdir()
    assert run("verify", double_it_folder) == 2
    assert "problem.toml: cannot be read: Is a directory" in one_complaint(capsys)


def test_a_transcript_without_an_answer_is_no_run(double_it_folder, tmp_path, capsys):
    (tmp_path / "none.jsonl").write_text("")
    asked = ("--model", f"replay:{tmp_path / 'none.jsonl'}", "--out", tmp_path / "out")
    assert run("generate", double_it_folder, *asked) == 2
    assert "holds no answer" in one_complaint(capsys)
    assert not [path for path in tmp_path.glob("out/**/*") if path.is_file()]


def test_a_night_over_one_problem_in_place_of_all_is_misuse(double_it_folder, tmp_path, capsys):
    assert run("reverify", double_it_folder, "--out", tmp_path / "night", "--device", "cpu") == 2
    assert "is one problem: name the folder above it" in one_complaint(capsys)
    assert not (tmp_path / "night").exists()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "x/y"), "x/y: Permission denied"),
    ],
)
def test_a_fault_of_the_disk_is_said_without_its_number(monkeypatch, fault, words, capsys):
    def fail(arguments, settings):
        raise fault

    monkeypatch.setitem(cli._COMMANDS, "doctor", fail)
    assert run("doctor") == 2
    assert one_complaint(capsys) == f"kernelwright: {words}"


def test_a_recording_that_cannot_be_written_is_known_before_an_answer_is_paid_for(
    machine, double_it_folder, transcript, tmp_path, capsys
):
    (tmp_path / "kept.jsonl").symlink_to(tmp_path / "none" / "kept.jsonl")
    model = f"record:{tmp_path / 'kept.jsonl'}:replay:{transcript}"
    asked = ("--model", model, "--out", tmp_path / "out")
    assert run("generate", double_it_folder, *asked) == 2
    assert "cannot record to" in one_complaint(capsys)
