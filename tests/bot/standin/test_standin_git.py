"""The bare repository: real objects, read back by git itself."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.standin.diff_lines import lines_of
from bot.standin.git_store import GitStore
from bot.standin.git_types import GitFailed, Signature

ADA = Signature(name="ada", email="ada@example.org")
AT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    made = GitStore.create(tmp_path / "repo.git", "main")
    made.commit_files("main", {"README.md": b"one\n", "a/b.txt": b"two\n"}, "First", ADA, AT)
    return made


def head(store: GitStore) -> str:
    sha = store.ref("refs/heads/main")
    assert sha is not None
    return sha


def test_a_clone_shows_branch_commit_author_and_files(store: GitStore, tmp_path: Path) -> None:
    store.commit_files("kernel/1-x", {"problems/x/kernel.py": b"k\n"}, "kernel: x", ADA, AT)
    clone = tmp_path / "clone"
    command = ["git", "clone", "--quiet", "--branch", "kernel/1-x", str(store.path), str(clone)]
    subprocess.run(command, check=True)
    assert (clone / "problems/x/kernel.py").read_bytes() == b"k\n"
    log = subprocess.run(
        ["git", "-C", str(clone), "log", "-1", "--format=%an|%ae|%at|%s"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert log.stdout.strip() == f"ada|ada@example.org|{int(AT.timestamp())}|kernel: x"


def test_a_tree_on_a_base_keeps_changes_adds_and_removes(store: GitStore) -> None:
    blob = store.write_blob(b"new\n")
    base = store.resolve_tree("refs/heads/main")
    tree = store.write_tree(
        base,
        [
            ("a/c.txt", "100644", blob),
            ("README.md", "100644", None),
            ("copy", "040000", store.object_at(head(store), "a")),
        ],
    )
    paths = {entry.path for entry in store.tree(tree, recursive=True) if entry.kind == "blob"}
    assert paths == {"a/b.txt", "a/c.txt", "copy/b.txt"}


def test_a_moved_branch_is_not_moved_again_from_where_it_was(store: GitStore) -> None:
    old = head(store)
    store.commit_files("main", {"README.md": b"x\n"}, "Second", ADA, AT)
    with pytest.raises(GitFailed):
        store.update_ref("refs/heads/main", old, old)


@pytest.mark.parametrize("name", ["refs/heads/../x", "refs/heads/a b", "refs/heads/.x"])
def test_refuses_names_that_git_would_refuse(store: GitStore, name: str) -> None:
    with pytest.raises(GitFailed):
        store.update_ref(name, head(store), None)


def test_knows_the_kind_of_an_object(store: GitStore) -> None:
    assert store.has(head(store), "commit")
    assert not store.has(head(store), "blob")
    assert not store.has("0" * 40, "commit")
    assert not store.has("--help", "commit")


def test_reads_a_commit_back(store: GitStore) -> None:
    first = head(store)
    sha = store.commit_files("main", {"x": b""}, "Subject\n\nBody | here", ADA, AT)
    commit = store.commit(sha)
    assert commit.message == "Subject\n\nBody | here"
    assert commit.parents == (first,)
    assert commit.author == ADA
    assert commit.committed_at == AT


def test_lists_changes_with_counts_and_hunks(store: GitStore) -> None:
    old = head(store)
    files = {"README.md": b"one\nmore\n", "a/b.txt": None, "n.txt": b"n\n"}
    new = store.commit_files("main", files, "Change", ADA, AT)
    changes = {change.path: change for change in store.changes(old, new)}
    assert {path: change.status for path, change in changes.items()} == {
        "README.md": "M",
        "a/b.txt": "D",
        "n.txt": "A",
    }
    assert (changes["README.md"].additions, changes["README.md"].deletions) == (1, 0)
    assert changes["n.txt"].patch.startswith("@@ -0,0 +1 @@")


def test_exports_the_files_of_a_commit(store: GitStore, tmp_path: Path) -> None:
    store.export(head(store), tmp_path / "work" / "repository")
    assert (tmp_path / "work" / "repository" / "a" / "b.txt").read_bytes() == b"two\n"


PATCH = """\
@@ -1,3 +1,4 @@
 first
-old
+new
+more
 last
@@ -10,2 +11,2 @@ context
 ten
+eleven"""


@pytest.mark.parametrize(
    ("line", "position", "last"),
    [(1, 1, " first"), (2, 3, "+new"), (4, 5, " last"), (12, 8, "+eleven")],
)
def test_a_review_comment_knows_its_place_in_the_diff(line: int, position: int, last: str) -> None:
    found = lines_of(PATCH)[line]
    assert found.position == position
    assert found.hunk.splitlines()[-1] == last
    assert found.hunk.startswith("@@ ")


@pytest.mark.parametrize("line", [5, 10, 13])
def test_a_line_outside_the_hunks_has_no_place(line: int) -> None:
    assert line not in lines_of(PATCH)
