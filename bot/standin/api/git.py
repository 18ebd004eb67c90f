"""Routes of the git data API and of contents: real objects in the bare repository."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from bot.standin.api.call import REPO, ApiError, Call, Reply, Routes, created, ok
from bot.standin.git_types import GitFailed, Signature
from bot.standin.shapes import commits
from bot.standin.shapes.repositories import repository_url
from bot.standin.state import Repository


def get_ref(call: Call) -> Reply:
    repo, name = call.repository, f"refs/{call.param('ref')}"
    sha = repo.git.ref(name)
    if sha is None:
        raise ApiError(404, "Not Found")
    return ok(commits.git_ref(call.base, repo, name, sha))


def create_ref(call: Call) -> Reply:
    repo = call.require("write")
    name, sha = str(call.field("ref")), str(call.field("sha"))
    if not name.startswith("refs/") or name.count("/") < 2:
        raise ApiError(422, "Reference name must start with 'refs/' and have two slashes")
    _need(repo, sha, "commit", "Object does not exist")
    if repo.git.ref(name) is not None:
        raise ApiError(422, "Reference already exists")
    repo.git.update_ref(name, sha, None)
    call.hub.branch_moved(repo, name, sha, call.sender)
    return created(commits.git_ref(call.base, repo, name, sha))


def update_ref(call: Call) -> Reply:
    repo = call.require("write")
    name, sha = f"refs/{call.param('ref')}", str(call.field("sha"))
    old = repo.git.ref(name)
    if old is None:
        raise ApiError(422, "Reference does not exist")
    _need(repo, sha, "commit", "Object does not exist")
    if not call.field("force", default=False) and not repo.git.is_ancestor(old, sha):
        raise ApiError(422, "Update is not a fast forward")
    if sha != old:
        repo.git.update_ref(name, sha, old)
        call.hub.branch_moved(repo, name, sha, call.sender)
    return ok(commits.git_ref(call.base, repo, name, sha))


def _need(repo: Repository, sha: str, kind: str, message: str) -> None:
    if not repo.git.has(sha, kind):
        raise ApiError(422, message)


def create_blob(call: Call) -> Reply:
    repo = call.require("write")
    text = str(call.field("content"))
    if call.field("encoding", "utf-8") == "base64":
        try:
            content = base64.b64decode(text)
        except binascii.Error as error:
            raise ApiError(422, "content is not valid Base64") from error
    else:
        content = text.encode()
    sha = repo.git.write_blob(content)
    return created({"sha": sha, "url": f"{repository_url(call.base, repo)}/git/blobs/{sha}"})


def create_tree(call: Call) -> Reply:
    repo = call.require("write")
    base_tree = call.field("base_tree")
    if base_tree is not None and not repo.git.has(base_tree, "tree"):
        raise ApiError(404, "Not Found")
    entries = []
    for entry in call.field("tree"):
        sha = entry.get("sha")
        if "content" in entry:
            sha = repo.git.write_blob(entry["content"].encode())
        elif "sha" not in entry:
            raise ApiError(422, "Must supply either tree.sha or tree.content")
        if sha is not None:
            _need(repo, sha, entry.get("type", "blob"), f"tree.sha {sha} is not a valid blob")
        entries.append((str(entry.get("path", "")), str(entry.get("mode", "100644")), sha))
    return created(_tree(call, repo, repo.git.write_tree(base_tree, entries), recursive=False))


def get_tree(call: Call) -> Reply:
    repo = call.repository
    recursive = call.ask("recursive") != ""
    try:
        return ok(_tree(call, repo, call.param("tree_sha"), recursive=recursive))
    except GitFailed as error:
        raise ApiError(404, "Not Found") from error


def _tree(call: Call, repo: Repository, treeish: str, *, recursive: bool) -> dict[str, Any]:
    url = f"{repository_url(call.base, repo)}/git"
    if treeish.startswith("-"):
        raise ApiError(404, "Not Found")
    entries = []
    for entry in repo.git.tree(treeish, recursive=recursive):
        shape: dict[str, Any] = {
            "path": entry.path,
            "mode": entry.mode,
            "type": entry.kind,
            "sha": entry.sha,
            "url": f"{url}/{entry.kind}s/{entry.sha}",
        }
        if entry.size_bytes is not None:
            shape["size"] = entry.size_bytes
        entries.append(shape)
    sha = repo.git.resolve_tree(treeish)
    return {"sha": sha, "url": f"{url}/trees/{sha}", "tree": entries, "truncated": False}


def create_commit(call: Call) -> Reply:
    repo = call.require("write")
    tree, parents = str(call.field("tree")), call.field("parents", [])
    _need(repo, tree, "tree", "Tree SHA does not exist")
    for parent in parents:
        _need(repo, parent, "commit", "Parent SHA does not exist or is not a commit object")
    author = call.field("author", {})
    signature = call.sender.signature
    if author:
        signature = Signature(name=author["name"], email=author["email"])
    now = call.hub.state.clock()
    sha = repo.git.write_commit(tree, parents, str(call.field("message")), signature, now)
    return created(commits.git_commit(call.base, repo, repo.git.commit(sha)))


def get_commit(call: Call) -> Reply:
    repo, sha = call.repository, call.param("commit_sha")
    if not repo.git.has(sha, "commit"):
        raise ApiError(404, "Not Found")
    return ok(commits.git_commit(call.base, repo, repo.git.commit(sha)))


def get_contents(call: Call) -> Reply:
    repo, path = call.repository, call.param("path")
    commit = _commit_of(repo, call.ask("ref", repo.default_branch))
    if repo.git.has(repo.git.object_at(commit, path) or "", "tree"):
        listing = repo.git.tree(f"{commit}:{path}")
        return ok([_content(call, repo, f"{path}/{e.path}", e.sha, e.kind) for e in listing])
    content = repo.git.read_file(commit, path)
    if content is None:
        raise ApiError(404, "Not Found")
    sha = repo.git.object_at(commit, path) or ""
    encoded = {"encoding": "base64", "content": base64.encodebytes(content).decode()}
    return ok({**_content(call, repo, path, sha, "blob"), "size": len(content), **encoded})


def _commit_of(repo: Repository, ref: str) -> str:
    """The commit that a branch name, a full reference or an id means."""
    for name in (f"refs/heads/{ref}", ref):
        sha = None if name.startswith("-") else repo.git.ref(name)
        if sha is not None:
            return sha
    raise ApiError(404, f"No commit found for the ref {ref}")


def _content(call: Call, repo: Repository, path: str, sha: str, kind: str) -> dict[str, Any]:
    url = f"{repository_url(call.base, repo)}/contents/{path}"
    git_url = f"{repository_url(call.base, repo)}/git/{kind}s/{sha}"
    html = f"{call.base}/{repo.full_name}/blob/{repo.default_branch}/{path}"
    return {
        "type": "dir" if kind == "tree" else "file",
        "name": path.rsplit("/", 1)[-1],
        "path": path,
        "sha": sha,
        "size": 0,
        "url": url,
        "git_url": git_url,
        "html_url": html,
        "download_url": None,
        "_links": {"self": url, "git": git_url, "html": html},
    }


_GIT = f"{REPO}/git"
ROUTES: Routes = {
    ("GET", f"{_GIT}/ref/{{ref}}"): get_ref,
    ("POST", f"{_GIT}/refs"): create_ref,
    ("PATCH", f"{_GIT}/refs/{{ref}}"): update_ref,
    ("POST", f"{_GIT}/blobs"): create_blob,
    ("POST", f"{_GIT}/trees"): create_tree,
    ("GET", f"{_GIT}/trees/{{tree_sha}}"): get_tree,
    ("POST", f"{_GIT}/commits"): create_commit,
    ("GET", f"{_GIT}/commits/{{commit_sha}}"): get_commit,
    ("GET", f"{REPO}/contents/{{path}}"): get_contents,
}
