"""The pages: what stands on them, that nothing breaks out of them, and which input is refused."""

from __future__ import annotations

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from runner.contract import Outcome, Workload
from tests.fakes.command_line import one_complaint, run
from tests.fakes.kernel_folders import (
    GPU,
    SOURCE,
    failed_night,
    idle_night,
    judged,
    night,
    results_of,
    write_folder,
    write_history,
)
from tests.fakes.measured import compared, measured

VOID = {"meta", "br", "img", "input"}
WILD = "</script></title></style><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;`${1}"
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


class Reader(HTMLParser):
    """Refuses what is not closed in order, and handlers; keeps tags, links and text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []
        assert len(self.ids) == len(set(self.ids))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            assert name != "style"
            for wanted, kept in (("href", self.links), ("src", self.sources), ("id", self.ids)):
                if name == wanted:
                    kept.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data


def test_every_kernel_stands_in_the_index_with_its_figures(site, double_it):
    results = results_of(double_it, judged(), repository="octo/kernels", issue_number=17)
    write_folder(site.problems / "double_it", double_it, results)
    write_folder(site.problems / "not_yet", double_it, None)
    site.build(night(2), night(3, ratio=1.5))
    read = Reader(site.page("index"))
    for words in ("double_it", "elementwise", "faster", "1.500 [1.470, 1.530]", "50%", "H200",
                  "2026-03-03", "not_yet", "not measured"):  # fmt: skip
        assert words in read.text
    assert "passed" not in site.page("index").split("not_yet.html")[1].split("</tr>")[0]
    assert read.links == [
        "kernels/double_it.html",
        "https://github.com/octo/kernels/pulls?q=is%3Apr+head%3Akernel%2F17-double-it",
        "https://github.com/octo/kernels/issues/17",
        "kernels/not_yet.html",
    ]
    for link in read.links:
        assert link.startswith("https:") or (site.out / link).is_file()


def test_a_kernels_page_has_its_verdict_history_pictures_and_source(site, double_it):
    folder = write_folder(site.problems / "double_it", double_it, results_of(double_it, judged()))
    (folder / "times.svg").write_text(PICTURE)
    (folder / "README.md").write_text(
        "![ms over size](times.svg) ![gone](gone.svg) ![up](../../x.svg) ![far](https://e.org/x.svg)"
    )
    site.build(night(1), idle_night(2), failed_night(4), flags=("--repository", "octo/kernels"))
    read = Reader(site.page("kernels/double_it"))
    for words in (
        "15 of 77 elements wrong",
        "1 passed: verified, and as fast as recorded",
        "1 not run: no verdict of any kind",
        "compile 2.000 [1.960, 2.040]",
        "fails at N=65536",
        "ms over size",
        "return x + x",
        "return x * 2",
        "What was not checked",
        "Errors at one look",
        "580.159.04",
    ):
        assert words in read.text
    assert len(read.sources) == 1
    assert read.sources[0].startswith("data:image/svg+xml;base64,")
    assert {"history", "pictures", "speed", "matrix", "kernel", "problem", "making"} <= set(
        read.ids
    )
    assert "../index.html" in read.links


def test_hostile_text_stays_text(site, double_it):
    name = "a<b>'\"&c"
    spec = double_it.toml_text.replace('"Twice the input"', repr(WILD.replace("'", "")))
    evaluation = judged(summary=WILD, correctness={"cases": (compared(distribution=WILD),)})
    wild = results_of(
        double_it,
        evaluation,
        model=WILD,
        stopped_because=WILD,
        environment=GPU.model_copy(update={"gpu": WILD, "torch": WILD}),
        repository=f"octo/{WILD}",
        issue_number=17,
    )
    folder = write_folder(site.problems / name, double_it, wild, SOURCE)
    (folder / "problem.toml").write_text(spec)
    (folder / "README.md").write_text(f"![{WILD}](p.svg)")
    (folder / "p.svg").write_text(PICTURE)
    write_folder(site.problems / "double_it", double_it, wild, WILD)
    nights = failed_night(3, summary=WILD), night(4, notes=(WILD,), environment=wild.environment)
    site.build(*nights, flags=("--title", WILD))
    pages = ["index", *(f"kernels/{path.stem}" for path in (site.out / "kernels").iterdir())]
    assert len(pages) == 3
    for page in pages:
        read = Reader(site.page(page))
        assert read.tags.count("script") == 1
        assert all(source.startswith("data:image/svg+xml;base64,") for source in read.sources)
        assert not any("octo" in link for link in read.links)
        assert "alert(1)" in read.text
    assert not any("<" in path.name for path in site.out.rglob("*"))


def test_pages_load_nothing_and_say_so_to_the_browser(site, double_it):
    write_folder(site.problems / "double_it", double_it, results_of(double_it, judged()))
    site.build(night(1))
    for page in ("index", "kernels/double_it"):
        text = site.page(page)
        assert not re.search(r"url\(|@import|<link|\bfetch\(|XMLHttp|import\(", text)
        policy = re.search(r'Security-Policy" content="([^"]+)"', text)
        assert policy
        assert "default-src 'none'" in policy[1]
        assert "unsafe" not in policy[1]


def test_the_same_input_gives_the_same_bytes_and_old_pages_go(site, double_it):
    for name in ("one", "two"):
        write_folder(site.problems / name, double_it, results_of(double_it, judged()))
    site.build(night(1, kernel="one"))
    before = {path: path.read_bytes() for path in site.out.rglob("*.html")}
    site.build(night(1, kernel="one"))
    assert before == {path: path.read_bytes() for path in site.out.rglob("*.html")}
    (site.problems / "two").rename(site.problems / "three")
    site.build()
    assert sorted(path.name for path in (site.out / "kernels").iterdir()) == [
        "one.html",
        "three.html",
    ]


def test_legs_and_changed_versions_are_told_apart(site, double_it):
    write_folder(site.problems / "double_it", double_it, results_of(double_it, judged()))
    newer = GPU.model_copy(update={"triton": "3.7.0"})
    site.build(
        night(1, kernel_sha256="a" * 64),
        night(2),
        night(3, environment=newer),
        failed_night(3).model_copy(update={"leg": "newest"}),
    )
    text = site.page("kernels/double_it")
    for words in ("Versions: pinned", "Versions: newest", "triton 3.7.0", "changed: kernel "):
        assert words in text
    assert text.index("Versions: pinned") < text.index("Versions: newest")
    # Three nights and one workload, but no line from another kernel's figures to this one's.
    first = text.split('<svg class="plot"')[1].split("</svg></div>")[0]
    assert first.count('class="joined"') == 1


def test_a_night_that_ran_again_replaces_its_first_word(site, double_it):
    write_folder(site.problems / "double_it", double_it, results_of(double_it, judged()))
    site.build(failed_night(1), night(1), idle_night(1))
    assert "As a table (1)" in site.page("kernels/double_it")
    assert "15 of 77" not in site.page("kernels/double_it")
    assert "1 passed" in site.page("kernels/double_it")


def test_a_folder_of_nights_is_one_history(site, double_it, tmp_path):
    write_folder(site.problems / "double_it", double_it, results_of(double_it, judged()))
    (tmp_path / "data" / "nights").mkdir(parents=True)
    for day in (2, 1, 3):
        write_history(tmp_path / "data" / "nights" / f"2026-03-0{day}-77-1.jsonl", [night(day)])
    site.build(flags=("--history", tmp_path / "data"))
    text = site.page("kernels/double_it")
    assert "As a table (3)" in text
    assert text.index("2026-03-01: passed") < text.index("2026-03-02: passed")


def test_a_history_without_any_figure_is_a_list(site, double_it):
    write_folder(site.problems / "double_it", double_it, results_of(double_it, judged()))
    site.build(failed_night(1), idle_night(2))
    text = site.page("kernels/double_it")
    assert 'class="plot"' not in text
    assert '<ul class="nights">' in text


def test_a_faulty_folder_is_shown_and_stops_no_other(site, double_it, tmp_path):
    write_folder(site.problems / "good", double_it, results_of(double_it, judged()))
    bad = write_folder(site.problems / "bad", double_it, results_of(double_it, judged()))
    (bad / "problem.toml").write_text("name = 3\n[[tests")
    secret = tmp_path / "secret"
    secret.write_text("do not publish")
    (bad / "kernel.py").unlink()
    (bad / "kernel.py").symlink_to(secret)
    (site.problems / "linked").symlink_to(site.problems / "good")
    site.build()
    text = site.page("kernels/bad")
    assert "What is wrong with this folder" in text
    assert "kernel.py is not read" in text
    assert "do not publish" not in text
    assert "faster" in site.page("kernels/good")
    assert not (site.out / "kernels" / "linked.html").exists()


def test_an_edited_reference_is_named(site, double_it):
    folder = write_folder(site.problems / "d", double_it, results_of(double_it, judged()))
    (folder / "reference.py").write_text("def double_it(x):\n    return x + x\n")
    site.build()
    assert "problem.toml or reference.py is not what the recorded verdict" in site.page("kernels/d")
    assert "edited" in Reader(site.page("index")).text


def test_many_workloads_are_cut_from_the_chart_with_a_word(site, double_it):
    write_folder(site.problems / "double_it", double_it, results_of(double_it, judged()))
    timed = night(1).timings[0]
    many = tuple(
        timed.model_copy(update={"workload": Workload(axes={"N": size})}) for size in range(1, 9)
    )
    site.build(night(1, timings=many))
    assert "2 further workloads are in the table only" in site.page("kernels/double_it")


def test_a_year_of_nights_keeps_a_page_light(site, double_it):
    write_folder(site.problems / "double_it", double_it, results_of(double_it, judged()))
    start = night(1)
    year = [
        start.model_copy(update={"night": start.night + timedelta(days=day)}) for day in range(365)
    ]
    site.build(*year)
    text = site.page("kernels/double_it")
    assert "245 earlier nights are in the table only" in text
    assert "2027-02-28: passed" in text
    assert "As a table (365)" in text
    assert len(text) < 1_500_000


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"night": "2026-03-01"', "history.jsonl:2"),
        (
            night(1).model_dump_json().replace('"schema_version":1', '"schema_version":9'),
            "schema_version",
        ),
        (night(1).model_dump_json().replace("double_it", "../x"), "kernel"),
        ("\x00", "history.jsonl:2"),
    ],
)
def test_a_bad_line_of_the_history_is_refused_by_number(site, double_it, capsys, line, words):
    write_folder(site.problems / "d", double_it, None)
    path = write_history(site.problems.parent / "history.jsonl", [night(1)])
    with path.open("a") as stream:
        stream.write(line + "\n")
    assert run("report", site.problems, "--out", site.out, "--history", path) == 2
    told = one_complaint(capsys)
    assert "history.jsonl:2" in told
    assert words in told
    assert not site.out.exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--history", "/nowhere/history.jsonl"), "cannot read /nowhere"),
        (("--repository", "not a repository"), "is not OWNER/NAME"),
        (("--github-url", "javascript:alert(1)"), "is not an http or https address"),
    ],
)
def test_misuse_is_told_and_writes_nothing(site, double_it, capsys, flags, words):
    write_folder(site.problems / "d", double_it, None)
    assert run("report", site.problems, "--out", site.out, *flags) == 2
    assert words in capsys.readouterr().err
    assert not site.out.exists()


def test_a_folder_that_holds_something_else_is_left_alone(site, double_it, capsys):
    write_folder(site.problems / "d", double_it, None)
    site.out.mkdir()
    (site.out / "thesis.txt").write_text("mine")
    assert run("report", site.problems, "--out", site.out) == 2
    assert "holds no site" in one_complaint(capsys)
    assert [path.name for path in site.out.iterdir()] == ["thesis.txt"]


def test_a_folder_without_kernels_is_misuse(site, capsys):
    assert run("report", site.problems, "--out", site.out) == 2
    assert "holds no problem folder" in one_complaint(capsys)


def test_nights_of_a_kernel_that_is_gone_are_said(site, double_it, capsys):
    write_folder(site.problems / "d", double_it, None)
    site.build(night(1, kernel="renamed"))
    assert "nights without a folder: renamed" in capsys.readouterr().out


def test_the_installed_command_hands_over_to_the_runner():
    from bot.__main__ import RUNNER_COMMANDS, USAGE

    assert "report" in RUNNER_COMMANDS
    assert "  report " in USAGE


def test_a_cpu_verdict_is_correct_and_not_timed(site, double_it):
    evaluation = measured(
        device="cpu", performance=None, stage="integrity",
        candidate_sha256=judged().candidate_sha256,
    )  # fmt: skip
    results = results_of(double_it, evaluation, outcome=Outcome.CORRECT)
    write_folder(site.problems / "d", double_it, results)
    site.build()
    assert "not measured: no GPU" in Reader(site.page("index")).text
