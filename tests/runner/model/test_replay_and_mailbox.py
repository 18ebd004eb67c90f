"""Transcripts, the mailbox, recording and the spelling of model specifications."""

from __future__ import annotations

import asyncio
import json

import pytest

from runner.errors import ModelError, ModelExhausted
from runner.model import Prompt, open_model
from runner.model.mailbox import MailboxModel
from runner.model.record import RecordingModel
from runner.model.replay import ReplayModel
from runner.model.thinking import split_thinking
from runner.model.transcript import read_transcript
from runner.settings import EndpointSettings


def line(generation: int, attempt: int, content: str, **fields) -> str:
    row = {
        "generation": generation,
        "attempt": attempt,
        "model": "handwritten",
        "reasoning": "because",
        "content": content,
        "usage": {"prompt_tokens": None, "reasoning_tokens": None, "completion_tokens": None},
    }
    return json.dumps({**row, **fields})


@pytest.fixture
def transcript(tmp_path):
    path = tmp_path / "transcript.jsonl"
    rows = [line(0, 1, "first"), line(1, 1, "other"), "", line(0, 2, "second")]
    path.write_text("\n".join(rows) + "\n")
    return path


def ask(model, attempt: int = 1, text: str = "write"):
    return asyncio.run(model.answer(Prompt(attempt=attempt, text=text, time_left_s=60)))


def test_replays_each_attempt_of_one_generation_in_whatever_order_and_then_ends(transcript):
    model = ReplayModel(transcript, 0)
    assert model.name == "handwritten"
    assert [ask(model, attempt).content for attempt in (2, 1, 2)] == ["second", "first", "second"]
    with pytest.raises(ModelExhausted, match="2 answers of generation 0, and none to attempt 3"):
        ask(model, 3)


def test_an_attempt_that_stands_twice_is_no_transcript(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(line(0, 1, "one") + "\n" + line(1, 1, "fine") + "\n" + line(0, 1, "two") + "\n")
    assert ask(ReplayModel(path, 1)).content == "fine"
    with pytest.raises(ModelError, match="attempt 1 of generation 0 stands there twice"):
        ReplayModel(path, 0)


def test_numbers_that_tuned_kernels_had_are_passed_over(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f"{line(0, number, str(number))}\n" for number in (1, 3, 6)))
    model = ReplayModel(path, 0)
    assert [ask(model, attempt).content for attempt in (1, 2, 3)] == ["1", "3", "6"]
    assert ask(model, 2).content == "3"
    with pytest.raises(ModelExhausted):
        ask(model, 4)
    assert ask(ReplayModel(path, 0), 3).content == "3"  # as after a restart


def test_an_answer_that_was_cut_is_cut_when_it_is_replayed(tmp_path, fakes):
    path = tmp_path / "t.jsonl"
    ask(RecordingModel(fakes.Model([fakes.answer("half", cut=True)]), path, 0))
    assert ask(ReplayModel(path, 0)).cut


def test_a_generation_without_answers_is_exhausted_at_once(transcript):
    with pytest.raises(ModelExhausted):
        ask(ReplayModel(transcript, 5))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{", ":2: "),
        ('{"generation": 0}', ":2: attempt: Field required"),
        (line(0, 0, "x"), ":2: attempt: "),
        (line(0, 1, "x", extra=1), ":2: extra: "),
    ],
)
def test_a_faulty_transcript_names_its_line(tmp_path, row, words):
    path = tmp_path / "t.jsonl"
    path.write_text(line(0, 1, "fine") + "\n" + row + "\n")
    with pytest.raises(ModelError) as caught:
        ReplayModel(path, 0)
    assert words in str(caught.value)


def test_a_transcript_that_is_missing_or_binary_is_one_line(tmp_path):
    with pytest.raises(ModelError, match="cannot read the transcript"):
        ReplayModel(tmp_path / "none.jsonl", 0)
    (tmp_path / "b.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="not UTF-8"):
        ReplayModel(tmp_path / "b.jsonl", 0)


def test_what_is_recorded_can_be_replayed(transcript, tmp_path):
    copy = tmp_path / "copy.jsonl"
    model = RecordingModel(ReplayModel(transcript, 0), copy, 3)
    ask(model, 1)
    ask(model, 2)
    entries = read_transcript(copy)
    assert [(e.generation, e.attempt, e.content) for e in entries] == [
        (3, 1, "first"),
        (3, 2, "second"),
    ]
    assert ask(ReplayModel(copy, 3)).reasoning == "because"


def test_recording_survives_half_a_surrogate_pair(tmp_path, fakes):
    copy = tmp_path / "copy.jsonl"
    ask(RecordingModel(fakes.Model(["bad \ud800 text"]), copy, 0))
    assert read_transcript(copy)[0].content == "bad ? text"


def answer_when_asked(folder, text: str, prompts: list):
    """Play the person: wait for a prompt, put the answer beside it in one step."""

    async def play() -> None:
        while not (found := list(folder.glob("*.prompt.md"))):
            await asyncio.sleep(0.005)
        prompts.append((found[0].name, found[0].read_text()))
        draft = folder / "draft"
        draft.write_text(text)
        draft.rename(folder / found[0].name.replace(".prompt.", ".answer."))

    return play()


def test_mailbox_puts_out_a_numbered_prompt_and_takes_its_answer(tmp_path):
    model = MailboxModel(tmp_path / "box", poll_s=0.005)
    prompts: list = []

    async def both():
        prompt = Prompt(attempt=12, text="write a kernel", time_left_s=60)
        person = answer_when_asked(tmp_path / "box", "<think>hm</think>code", prompts)
        answer, _ = await asyncio.gather(model.answer(prompt), person)
        return answer

    answer = asyncio.run(both())
    assert (answer.content, answer.reasoning) == ("code", "hm")
    name, text = prompts[0]
    assert name.startswith("0012-")
    assert text == "write a kernel"


def test_mailbox_never_takes_an_answer_to_another_prompt(tmp_path):
    model = MailboxModel(tmp_path, poll_s=0.005)
    (tmp_path / "0001-00000000.answer.md").write_text("stale")
    with pytest.raises(TimeoutError):
        asyncio.run(
            asyncio.wait_for(
                model.answer(Prompt(attempt=1, text="new", time_left_s=60)), timeout=0.1
            )
        )


def test_mailbox_finds_the_answer_given_before_a_restart(tmp_path):
    with pytest.raises(TimeoutError):
        asyncio.run(
            asyncio.wait_for(
                MailboxModel(tmp_path, poll_s=0.005).answer(
                    Prompt(attempt=1, text="same", time_left_s=60)
                ),
                timeout=0.05,
            )
        )
    prompt = next(tmp_path.glob("*.prompt.md"))
    prompt.with_name(prompt.name.replace(".prompt.", ".answer.")).write_text("given")
    assert ask(MailboxModel(tmp_path, poll_s=0.005), 1, "same").content == "given"


def test_a_mailbox_that_somebody_ended_has_no_further_answer(tmp_path):
    (tmp_path / "end").touch()
    with pytest.raises(ModelExhausted, match="was ended"):
        ask(MailboxModel(tmp_path, poll_s=0.005), 1, "asked")
    prompt = next(tmp_path.glob("*.prompt.md"))
    prompt.with_name(prompt.name.replace(".prompt.", ".answer.")).write_text("given before")
    assert ask(MailboxModel(tmp_path, poll_s=0.005), 1, "asked").content == "given before"


def test_mailbox_waits_while_an_answer_still_grows(tmp_path):
    model = MailboxModel(tmp_path, poll_s=0.02)

    async def grow() -> None:
        while not (found := list(tmp_path.glob("*.prompt.md"))):
            await asyncio.sleep(0.005)
        path = found[0].with_name(found[0].name.replace(".prompt.", ".answer."))
        for count in range(1, 12):
            path.write_text("x" * count)
            await asyncio.sleep(0.01)

    async def both():
        prompt = Prompt(attempt=1, text="t", time_left_s=60)
        return (await asyncio.gather(model.answer(prompt), grow()))[0]

    assert asyncio.run(both()).content == "x" * 11


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        ("plain", "", "plain"),
        ("<think>a</think>b", "a", "b"),
        ("\n <think>\na\n</think>\n\nb", "a", "b"),
        ("a</think>b", "a", "b"),
        ("<think>never closed", "never closed", ""),
        ("<think></think>b", "", "b"),
        (
            "code that prints '<think>' and '</think>'",
            "",
            "code that prints '<think>' and '</think>'",
        ),
        ("<think>a</think>b</think>c", "a", "b</think>c"),
        ("", "", ""),
    ],
)
def test_splits_thinking(text, thinking, answer):
    assert split_thinking(text) == (thinking, answer)


@pytest.mark.parametrize(
    ("torn", "kept"),
    [
        pytest.param("", ["one"], id="nothing torn"),
        pytest.param(line(0, 2, "two")[:40], ["one"], id="half a line"),
        pytest.param(line(0, 2, "two"), ["one", "two"], id="a line without its end"),
        pytest.param('{"generation": 0, "content": "\udcff', ["one"], id="half a character"),
    ],
)
def test_recording_goes_on_after_a_kill_in_the_middle_of_a_line(tmp_path, fakes, torn, kept):
    path = tmp_path / "t.jsonl"
    whole = line(0, 1, "one") + "\n" + torn
    path.write_bytes(whole.encode("utf-8", "surrogateescape"))
    ask(RecordingModel(fakes.Model(["three"]), path, 0), 3)
    assert [entry.content for entry in read_transcript(path)] == [*kept, "three"]


def test_a_transcript_that_is_one_torn_line_starts_anew(tmp_path, fakes):
    path = tmp_path / "t.jsonl"
    path.write_text('{"gen')
    ask(RecordingModel(fakes.Model(["one"]), path, 0))
    assert [entry.content for entry in read_transcript(path)] == ["one"]


def test_an_answer_that_cannot_be_recorded_ends_the_run_in_one_line(tmp_path, fakes):
    path = tmp_path / "t.jsonl"
    model = RecordingModel(fakes.Model(["one"]), path, 0)
    path.mkdir()
    with pytest.raises(ModelError, match="cannot record to"):
        ask(model)


def test_a_mailbox_says_who_answers(tmp_path):
    settings = EndpointSettings(mailbox_name="handwritten")
    model = open_model(f"mailbox:{tmp_path}", settings, generation=0)
    assert model.name == "handwritten"
    assert open_model(f"mailbox:{tmp_path}", EndpointSettings(), generation=0).name == "mailbox"


def test_a_mailbox_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot use the mailbox"):
        open_model(f"mailbox:{tmp_path / 'file' / 'box'}", EndpointSettings(), generation=0)
