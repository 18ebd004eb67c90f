"""Before any work: whose thread it is, who may ask, and what a repository's file says."""

from __future__ import annotations

from typing import Any

import pytest
from markdown_it import MarkdownIt

from bot.config import PATH, RepositoryConfig
from bot.desk import Desk
from bot.errors import UserError
from bot.gate import pass_gate
from bot.permissions import Role
from bot.records import Asked, Delivery, Regenerate, Start, Usage

START = Start(issue_number=7, sender="mona")
GUIDED = Regenerate(
    thread_number=7, pull_number=None, sender="mona", guidance="faster", comment_id=5
)
WRONG = Usage(thread_number=7, on_pull=False, comment_id=5, sender="mona", problem="unknown /x")
HELP = Usage(thread_number=7, on_pull=False, comment_id=5, sender="mona")


def asked(command: str) -> Asked:
    return Asked(command=command, thread_number=7, on_pull=False, comment_id=5, sender="mona")


@pytest.fixture
def gate(tools: Any, steps: Any) -> Any:
    """Passes one decision after another, each as a delivery of its own."""
    count = iter(range(100))

    def pass_one(decision: Any) -> RepositoryConfig | None:
        delivery = Delivery(
            delivery_id=f"d-{next(count)}", repository="octo/kernels", installation_id=1,
            decision=decision,
        )  # fmt: skip
        # The gate knows nothing of other requests.
        return pass_gate(Desk(steps=steps, tools=tools, requests=None, delivery=delivery))  # type: ignore[arg-type]

    return pass_one


def set_up(fake: Any, text: str) -> None:
    fake.commit_as("mona", "main", "Set up", {PATH: text.encode()})


def by(decision: Any, sender: str) -> Any:
    return decision.model_copy(update={"sender": sender})


@pytest.mark.parametrize(
    "decision", [START, GUIDED, asked("cancel"), asked("status"), asked("verify")]
)
def test_who_has_write_access_goes_on_without_a_word(fake: Any, gate: Any, decision: Any) -> None:
    assert gate(decision) == RepositoryConfig()
    assert fake.said(7) == ""


@pytest.mark.parametrize("decision", [START, GUIDED, asked("cancel"), asked("verify")])
def test_an_outsider_is_refused_once_and_politely(fake: Any, gate: Any, decision: Any) -> None:
    for _ in range(3):
        assert gate(by(decision, "eve")) is None
    (said,) = fake.threads[7]
    assert "Thank you, `eve`" in said.body
    assert "write access" in said.body
    # Later tries are met too, if not with another comment.
    assert (("comment", 5, "confused") in fake.reactions) is (decision is not START)
    gate(by(decision, "adam"))
    assert len(fake.threads[7]) == 2


@pytest.mark.parametrize("role_name", ["triage", "read", "none"])
def test_the_role_of_the_sender_decides_not_the_openers(
    fake: Any, gate: Any, role_name: str
) -> None:
    fake.roles["mona"] = Role(role_name=role_name, permission="read")
    assert gate(START) is None
    assert "`mona`" in fake.said(7)


def test_status_and_help_are_for_everybody_who_can_read(fake: Any, gate: Any) -> None:
    assert gate(by(asked("status"), "eve")) == RepositoryConfig()
    assert gate(by(HELP, "eve")) is None
    assert "/regenerate [guidance]" in fake.said(7)
    assert fake.reactions == set()
    fake.roles["ghost"] = Role(role_name="none", permission="none")
    assert gate(by(asked("status"), "ghost")) is None
    assert "can read this repository" in fake.said(7)


def test_nonsense_is_met_with_confusion_and_the_usage(fake: Any, gate: Any) -> None:
    wrong = WRONG.model_copy(update={"problem": "option --budget: 30 has no unit"})
    gate(wrong.model_copy(update={"meant": "regenerate"}))
    (said,) = fake.threads[7]
    usage = "usage: /regenerate [guidance] [--budget 30m] [--from best|scratch]"
    assert f"{usage}\n/regenerate: option --budget: 30 has no unit\n" in said.body
    assert fake.reactions == {("comment", 5, "confused")}
    gate(WRONG)
    assert len(fake.threads[7]) == 2
    assert "/verify" in fake.threads[7][1].body


def test_an_outsiders_nonsense_is_answered_with_one_comment(fake: Any, gate: Any) -> None:
    for problem in ("unknown /a", "unknown /b"):
        gate(by(WRONG.model_copy(update={"problem": problem}), "eve"))
    assert len(fake.threads[7]) == 1


@pytest.mark.parametrize(
    "problem",
    [
        "unknown /x @octo/everyone", "``` \n@mona", "</details> @mona closes #1",
        "![](https://evil.example/p.png)", "a\u202e@mona\x00", "| @mona |", "~~~\n@mona",
    ],
)  # fmt: skip
def test_hostile_words_in_a_command_mention_and_link_nothing(
    fake: Any, gate: Any, problem: str
) -> None:
    gate(WRONG.model_copy(update={"problem": problem}))
    tokens = MarkdownIt("commonmark").enable("table").parse(fake.said(7))
    inline = [child for token in tokens for child in token.children or []]
    shown = " ".join(child.content for child in inline if child.type != "code_inline")
    assert "@" not in shown
    assert "evil" not in shown
    assert "#1" not in shown
    assert not any(child.type == "image" for child in inline)


@pytest.mark.parametrize("decision", [GUIDED, WRONG, HELP, asked("status"), asked("cancel")])
@pytest.mark.parametrize("labels", [(), ("bug",), None], ids=["none", "other", "gone"])
def test_a_command_on_somebody_elses_issue_is_not_ours(
    fake: Any, gate: Any, issue_body: Any, decision: Any, labels: tuple[str, ...] | None
) -> None:
    if labels is None:
        del fake.issues[7]
    else:
        fake.open_issue(7, issue_body(), labels)
    assert gate(decision) is None
    assert fake.said(7) == ""
    assert fake.reactions == set()


def test_an_issue_that_only_has_a_label_of_state_is_a_request(
    fake: Any, gate: Any, issue_body: Any
) -> None:
    fake.open_issue(7, issue_body(), ("kernel-request:done",))
    assert gate(GUIDED) == RepositoryConfig()


def test_the_configured_label_starts_and_the_default_no_longer_does(fake: Any, gate: Any) -> None:
    set_up(fake, "label: gpu\n")
    assert gate(START) is None
    assert fake.said(7) == ""
    config = gate(START.model_copy(update={"label": "gpu"}))
    assert config is not None
    assert config.label == "gpu"


def test_any_other_label_is_nothing_to_us(fake: Any, gate: Any) -> None:
    assert gate(by(START, "eve").model_copy(update={"label": "bug"})) is None
    assert fake.said(7) == ""


def test_the_repository_says_who_may_ask(fake: Any, gate: Any) -> None:
    set_up(fake, "who_may_ask: {roles: [admin], users: [Eve]}\n")
    assert gate(by(START, "eve")) is not None
    assert gate(START) is None
    assert "one of the roles `admin`" in fake.said(7)


def test_faults_of_the_file_are_quoted_back_once_with_their_lines(fake: Any, gate: Any) -> None:
    set_up(fake, "label: kernel-request\nlable: x\nbudget:\n  default: 5 @mona\n")
    for _ in range(2):
        assert gate(GUIDED) is None
    (said,) = fake.threads[7]
    assert ("comment", 5, "confused") in fake.reactions
    assert "2 faults" in said.body
    assert "| 2 | `lable: unknown key; did you mean label?` |" in said.body
    assert "| 4 | `budget.default: string should match" in said.body
    # Another fault is another comment, and so is another label: no reaction could answer that.
    set_up(fake, "lable: x\n")
    gate(GUIDED)
    gate(START)
    gate(START)
    assert len(fake.threads[7]) == 4
    set_up(fake, "label: kernel-request\n")
    assert gate(START) is not None


@pytest.mark.parametrize("command", ["cancel", "status"])
def test_a_faulty_file_keeps_nobody_from_stopping_a_run(fake: Any, gate: Any, command: str) -> None:
    set_up(fake, "lable: x\n")
    assert gate(asked(command)) == RepositoryConfig()
    assert gate(asked("verify")) is None
    assert gate(GUIDED) is None


def test_a_budget_beyond_the_repositorys_is_refused(fake: Any, gate: Any) -> None:
    set_up(fake, "budget: {max: 30m}\n")
    assert gate(GUIDED.model_copy(update={"budget_s": 1800.0})) is not None
    with pytest.raises(UserError, match="31m is more than this repository allows: 30m"):
        gate(GUIDED.model_copy(update={"budget_s": 1860.0}))


def test_a_huge_file_of_faults_still_fits_a_comment(fake: Any, gate: Any) -> None:
    set_up(fake, "".join(f"a{n}: 1\n" for n in range(1500)))
    gate(START)
    (said,) = fake.threads[7]
    assert "1500 faults" in said.body
    assert len(said.body) <= 65_536
