"""The pages: what a person can see, and what nobody can smuggle in."""

from __future__ import annotations

import re

import github
import httpx
import pytest

from bot.standin import Inline, Person, Repository, StandIn
from bot.standin.pages import markdown


def get(standin: StandIn, path: str) -> str:
    answer = httpx.get(standin.base_url + path, trust_env=False, follow_redirects=True)
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**bold**", "<p><strong>bold</strong></p>"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "<td>1</td>"),
        ("<!-- kernelwright:progress -->\nqueued", "<p>queued</p>"),
        ("a <!-- hidden --> b", "<p>a  b</p>"),
        ("Closes #12", '<a href="/octo/kernels/issues/12">#12</a>'),
        ("<details>\n<summary>More</summary>\n\ntext\n\n</details>", "<summary>More</summary>"),
        ("`#12`", "<code>#12</code>"),
        ("```python\nx = 1\n```", '<pre class="code">'),
    ],
)
def test_renders_markdown_as_github_does(text: str, shown: str) -> None:
    assert shown in markdown.render(text, "octo/kernels")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<details ontoggle=alert(1) open>x</details>",
        "<details\nontoggle=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](javascript:alert(1))",
        "<a href='javascript:alert(1)'>x</a>",
        '```"><script>alert(1)</script>\nx\n```',
        "<!-- --><script>alert(1)</script>",
        "<style>body{display:none}</style>",
    ],
)
def test_no_text_becomes_a_script_or_a_style(text: str) -> None:
    html = markdown.render(text, "octo/kernels")
    tags = set(re.findall(r"<\s*([a-zA-Z]+)[^>]*>", html))
    assert tags <= {"p", "pre", "code", "details", "span"}
    assert not re.search(r"<[^>]*(?:javascript:|\son\w+\s*=)", html)


def test_an_issues_page_shows_what_was_said(
    standin: StandIn, repository: Repository, ada: Person, app: github.Github
) -> None:
    number = ada.open_issue("A <b>kernel</b>", "please", ["kernel-request"])
    issue = app.get_repo("octo/kernels").get_issue(number)
    issue.create_comment("**queued**").edit("**running**")
    issue.create_reaction("eyes")
    page = get(standin, f"/octo/kernels/issues/{number}")
    for shown in (
        "A &lt;b&gt;kernel&lt;/b&gt;",
        "<strong>running</strong>",
        "👀 1",
        "kernel-request",
        '<span class="badge">bot</span>',
    ):
        assert shown in page


def test_a_pull_requests_page_shows_reviews_checks_commits_and_the_diff(
    standin: StandIn, repository: Repository, ada: Person, app: github.Github
) -> None:
    grace = standin.person("grace", repository, "write")
    sha = grace.push_commit("kernel/1-x", {"problems/x/kernel.py": b"a\nb\n"}, "kernel: x")
    made = grace.request(
        "POST", "/pulls", {"title": "kernel: x", "head": "kernel/1-x", "base": "main"}
    )
    app.get_repo("octo/kernels").create_check_run(
        "verification",
        sha,
        status="completed",
        conclusion="success",
        output={"title": "PASSED", "summary": "**all of it**"},
    )
    comment = Inline(path="problems/x/kernel.py", line=2, body="why?")
    ada.review(made["number"], "REQUEST_CHANGES", "Please change", [comment])
    page = get(standin, f"/octo/kernels/pull/{made['number']}")
    for shown in (
        "wants to merge 1 commit into",
        "requested changes",
        "why?",
        "problems/x/kernel.py:2",
        '<span class="add">+b</span>',
        "<strong>all of it</strong>",
        sha[:7],
    ):
        assert shown in page
    assert get(standin, f"/octo/kernels/issues/{made['number']}") == page


def test_pages_need_nothing_from_elsewhere(
    standin: StandIn, repository: Repository, ada: Person
) -> None:
    number = ada.open_issue("A kernel", "![x](https://example.org/x.png)")
    for path in ("/", "/octo/kernels", f"/octo/kernels/issues/{number}"):
        page = get(standin, path)
        assert "<script" not in page
        assert not re.search(r"<(?:link|iframe)\b|url\(|@import", page)


def test_a_runs_page_shows_its_log(
    standin: StandIn, repository: Repository, ada: Person, eventually
) -> None:
    standin.runs.command = ["bash", "-c", "echo '<attempt 1>'; exit 1"]
    body = {"ref": "main", "inputs": {"request": "{}", "request_id": "kw-1"}}
    ada.request("POST", "/actions/workflows/generate.yml/dispatches", body)
    eventually(lambda: repository.runs[0].status == "completed")
    page = get(standin, f"/octo/kernels/actions/runs/{repository.runs[0].id}")
    assert "&lt;attempt 1&gt;" in page
    assert "failure" in page


@pytest.mark.parametrize("path", ["/octo/none", "/octo/kernels/issues/9", "/octo/kernels/pull/9"])
def test_there_is_no_page_of_what_is_not_there(
    standin: StandIn, repository: Repository, path: str
) -> None:
    assert httpx.get(standin.base_url + path, trust_env=False).status_code == 404
