"""One real bare git repository, driven through the `git` command.

Owns reading and writing of objects and references, so that `git clone` shows what the API was told.
Refuses names and ids that git itself would not take. Knows nothing of issues or pull requests.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from bot.standin.git_types import (
    Commit,
    FileChange,
    GitFailed,
    Signature,
    TreeEntry,
    git_environment,
)

_SHA = re.compile(r"[0-9a-f]{40}")


class GitStore:
    """A bare repository at `path`. Every method raises `GitFailed` for what git refuses."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Commits never change, and pages and payloads ask for the same ones again and again.
        self._commits: dict[str, Commit] = {}
        self._changes: dict[tuple[str, str], tuple[FileChange, ...]] = {}

    @classmethod
    def create(cls, path: Path, default_branch: str) -> GitStore:
        path.parent.mkdir(parents=True, exist_ok=True)
        store = cls(path)
        store._git("init", "--quiet", "--bare", "-b", default_branch)
        return store

    def _git(
        self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> bytes:
        done = subprocess.run(
            ["git", "--git-dir", str(self.path), *arguments],
            input=stdin,
            capture_output=True,
            env=git_environment() | dict(env or {}),
            check=False,
        )
        if done.returncode != 0:
            raise GitFailed(arguments[0], done.stderr.decode(errors="replace").strip())
        return done.stdout

    def write_blob(self, content: bytes) -> str:
        return self._git("hash-object", "-w", "--stdin", stdin=content).decode().strip()

    def has(self, sha: str, kind: str) -> bool:
        """Whether an object of that kind (blob, tree, commit) exists."""
        if not _SHA.fullmatch(sha):
            return False
        try:
            return self._git("cat-file", "-t", sha).decode().strip() == kind
        except GitFailed:
            return False

    def write_tree(self, base: str | None, entries: Iterable[tuple[str, str, str | None]]) -> str:
        """The tree `base` with each (path, mode, sha) put in; a sha of None takes the path out."""
        lines = []
        for path, mode, sha in entries:
            if sha and mode == "040000":  # an index holds files only
                lines += [
                    f"{each.mode} {each.sha}\t{path}/{each.path}"
                    for each in self.tree(sha, recursive=True)
                    if each.kind == "blob"
                ]
            else:
                lines.append(f"{mode if sha else '0'} {sha or '0' * 40}\t{path}")
        with tempfile.TemporaryDirectory(prefix="kernelwright-index-") as folder:
            env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            if base is not None:
                self._git("read-tree", base, env=env)
            stdin = "\0".join([*lines, ""]).encode()
            self._git("update-index", "-z", "--index-info", stdin=stdin, env=env)
            return self._git("write-tree", env=env).decode().strip()

    def write_commit(
        self, tree: str, parents: Iterable[str], message: str, author: Signature, at: datetime
    ) -> str:
        date = f"{int(at.timestamp())} +0000"
        env = {
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_AUTHOR_DATE": date,
            "GIT_COMMITTER_NAME": author.name,
            "GIT_COMMITTER_EMAIL": author.email,
            "GIT_COMMITTER_DATE": date,
        }
        flags = [flag for parent in parents for flag in ("-p", parent)]
        made = self._git("commit-tree", tree, *flags, stdin=message.encode(), env=env)
        return made.decode().strip()

    def ref(self, name: str) -> str | None:
        """The commit that `refs/heads/…` points at, or None."""
        try:
            return (
                self._git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()
            )
        except GitFailed:
            return None

    def update_ref(self, name: str, new: str, old: str | None) -> None:
        """Move `name` from `old` (None: it must not exist yet) to `new`."""
        self._git("check-ref-format", name)
        self._git("update-ref", name, new, old or "0" * 40)

    def is_ancestor(self, old: str, new: str) -> bool:
        try:
            self._git("merge-base", "--is-ancestor", old, new)
        except GitFailed:
            return False
        return True

    def commit(self, sha: str) -> Commit:
        """The commit of that id."""
        if sha not in self._commits:
            self._commits[sha] = self._read_commit(sha)
        return self._commits[sha]

    def _read_commit(self, sha: str) -> Commit:
        fmt = "%T%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B"
        raw = self._git("show", "-s", f"--format={fmt}", f"{sha}^{{commit}}").decode(
            errors="replace"
        )
        tree, parents, name, email, at, c_name, c_email, c_at, message = raw.split("\0", 8)
        return Commit(
            sha=sha,
            tree=tree,
            parents=tuple(parents.split()),
            author=Signature(name=name, email=email),
            authored_at=datetime.fromtimestamp(int(at), UTC),
            committer=Signature(name=c_name, email=c_email),
            committed_at=datetime.fromtimestamp(int(c_at), UTC),
            message=message.rstrip("\n"),
        )

    def tree(self, treeish: str, *, recursive: bool = False) -> tuple[TreeEntry, ...]:
        flags = ["-r", "-t"] if recursive else []
        raw = self._git("ls-tree", "-z", "-l", *flags, treeish).decode()
        entries = []
        for line in filter(None, raw.split("\0")):
            meta, path = line.split("\t", 1)
            mode, kind, sha, size = meta.split()
            size_bytes = None if size == "-" else int(size)
            entries.append(
                TreeEntry(mode=mode, kind=kind, sha=sha, size_bytes=size_bytes, path=path)
            )
        return tuple(entries)

    def resolve_tree(self, treeish: str) -> str:
        """The id of the tree that a tree, a commit or a reference means."""
        return self._git("rev-parse", "--verify", f"{treeish}^{{tree}}").decode().strip()

    def export(self, commit: str, folder: Path) -> None:
        """Write the files of `commit` into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="kernelwright-index-") as index_folder:
            env = {
                "GIT_INDEX_FILE": str(Path(index_folder) / "index"),
                "GIT_WORK_TREE": str(folder),
            }
            self._git("read-tree", commit, env=env)
            self._git("checkout-index", "--all", "--force", f"--prefix={folder}/", env=env)

    def object_at(self, commit: str, path: str) -> str | None:
        """The id of the blob or tree at `path`, or None."""
        try:
            return (
                self._git("rev-parse", "--verify", "--quiet", f"{commit}:{path}").decode().strip()
            )
        except GitFailed:
            return None

    def read(self, blob: str) -> bytes:
        return self._git("cat-file", "blob", blob)

    def read_file(self, commit: str, path: str) -> bytes | None:
        """The content of the file at `path`, or None when there is no such file."""
        blob = self.object_at(commit, path)
        return self.read(blob) if blob and self.has(blob, "blob") else None

    def commit_files(
        self,
        branch: str,
        files: Mapping[str, bytes | None],
        message: str,
        author: Signature,
        at: datetime,
    ) -> str:
        """One commit on `branch`, which starts at HEAD when it is new; None deletes a file."""
        name = f"refs/heads/{branch}"
        old = self.ref(name)
        parent = old or self.ref("HEAD")
        entries = [
            (path, "100644", None if content is None else self.write_blob(content))
            for path, content in files.items()
        ]
        tree = self.write_tree(parent and f"{parent}^{{tree}}", entries)
        sha = self.write_commit(tree, [parent] if parent else [], message, author, at)
        self.update_ref(name, sha, old)
        return sha

    def log(self, base: str, head: str) -> tuple[str, ...]:
        """The commits of `head` that `base` lacks, oldest first."""
        return tuple(self._git("rev-list", "--reverse", f"{base}..{head}").decode().split())

    def merge_base(self, base: str, head: str) -> str:
        return self._git("merge-base", base, head).decode().strip()

    def changes(self, old: str, new: str) -> tuple[FileChange, ...]:
        """The files that differ between two commits, with their patches."""
        if (old, new) not in self._changes:
            self._changes[old, new] = self._read_changes(old, new)
        return self._changes[old, new]

    def _read_changes(self, old: str, new: str) -> tuple[FileChange, ...]:
        diff = ("diff", "--no-renames")
        raw_status = self._git(*diff, "-z", "--name-status", old, new).decode().split("\0")
        statuses = dict(zip(raw_status[1::2], raw_status[::2], strict=False))
        changes = []
        for line in filter(
            None, self._git(*diff, "-z", "--numstat", old, new).decode().split("\0")
        ):
            added, deleted, path = line.split("\t", 2)
            patch = self._git(*diff, old, new, "--", path).decode(errors="replace")
            start = patch.find("\n@@ ")
            changes.append(
                FileChange(
                    path=path,
                    status=statuses[path],
                    additions=0 if added == "-" else int(added),
                    deletions=0 if deleted == "-" else int(deleted),
                    patch=patch[start + 1 :] if start >= 0 else "",
                )
            )
        return tuple(changes)
