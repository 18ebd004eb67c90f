"""Cut GitHub's own OpenAPI description down to the endpoints in use.

Owns `ENDPOINTS`, the list of everything that the service may ask of GitHub, and the cutting: prose,
examples and vendor extensions go, and so does every component that nothing left refers to. Refuses
an endpoint that the description does not have. A maintainer's tool: the stand-in reads its output,
`github_openapi.json`, which is kept beside it as package data.

    npm pack @octokit/openapi && tar xzf octokit-openapi-*.tgz
    python -m bot.standin.trim_openapi package/generated/api.github.com.json
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).with_name("github_openapi.json")
_REPO = "/repos/{owner}/{repo}"

ENDPOINTS: dict[str, tuple[str, ...]] = {
    "/meta": ("get",),
    "/app": ("get",),
    "/app/hook/config": ("get",),
    "/app/hook/deliveries": ("get",),
    "/app/hook/deliveries/{delivery_id}/attempts": ("post",),
    "/app/installations": ("get",),
    "/app-manifests/{code}/conversions": ("post",),
    "/installation/repositories": ("get",),
    "/orgs/{org}/actions/runners": ("get",),
    "/app/installations/{installation_id}/access_tokens": ("post",),
    "/users/{username}": ("get",),
    _REPO: ("get",),
    f"{_REPO}/installation": ("get",),
    f"{_REPO}/issues": ("get", "post"),
    f"{_REPO}/issues/{{issue_number}}": ("get", "patch"),
    f"{_REPO}/issues/{{issue_number}}/comments": ("get", "post"),
    f"{_REPO}/issues/{{issue_number}}/events": ("get",),
    f"{_REPO}/issues/{{issue_number}}/reactions": ("get", "post"),
    f"{_REPO}/issues/{{issue_number}}/labels": ("get", "post"),
    f"{_REPO}/issues/{{issue_number}}/labels/{{name}}": ("delete",),
    f"{_REPO}/issues/comments/{{comment_id}}": ("get", "patch"),
    f"{_REPO}/issues/comments/{{comment_id}}/reactions": ("get", "post"),
    f"{_REPO}/labels": ("get", "post"),
    f"{_REPO}/labels/{{name}}": ("get",),
    f"{_REPO}/collaborators/{{username}}/permission": ("get",),
    f"{_REPO}/actions/runners": ("get",),
    f"{_REPO}/actions/workflows/{{workflow_id}}": ("get",),
    f"{_REPO}/actions/workflows/{{workflow_id}}/dispatches": ("post",),
    f"{_REPO}/actions/workflows/{{workflow_id}}/runs": ("get",),
    f"{_REPO}/actions/runs/{{run_id}}": ("get",),
    f"{_REPO}/actions/runs/{{run_id}}/cancel": ("post",),
    f"{_REPO}/actions/runs/{{run_id}}/artifacts": ("get",),
    f"{_REPO}/actions/artifacts/{{artifact_id}}/{{archive_format}}": ("get",),
    f"{_REPO}/git/ref/{{ref}}": ("get",),
    f"{_REPO}/git/refs": ("post",),
    f"{_REPO}/git/refs/{{ref}}": ("patch",),
    f"{_REPO}/git/blobs": ("post",),
    f"{_REPO}/git/trees": ("post",),
    f"{_REPO}/git/trees/{{tree_sha}}": ("get",),
    f"{_REPO}/git/commits": ("post",),
    f"{_REPO}/git/commits/{{commit_sha}}": ("get",),
    f"{_REPO}/contents/{{path}}": ("get",),
    f"{_REPO}/pulls": ("get", "post"),
    f"{_REPO}/pulls/{{pull_number}}": ("get", "patch"),
    f"{_REPO}/pulls/{{pull_number}}/commits": ("get",),
    f"{_REPO}/pulls/{{pull_number}}/reviews": ("get", "post"),
    f"{_REPO}/pulls/{{pull_number}}/reviews/{{review_id}}/comments": ("get",),
    f"{_REPO}/check-runs": ("post",),
    f"{_REPO}/check-runs/{{check_run_id}}": ("patch",),
    f"{_REPO}/commits/{{ref}}/check-runs": ("get",),
}

# Under these keys the children are names, not keywords: a property called "description" stays.
_NAMED_CHILDREN = frozenset(
    {"properties", "patternProperties", "parameters", "responses", "headers"}
)
_PROSE = frozenset({"description", "example", "examples", "externalDocs", "tags", "title"})


def strip(node: Any, *, names: bool = False) -> Any:
    """Copy `node` without prose, examples and `x-…`; `names`: its keys are names, so all stay."""
    if isinstance(node, list):
        return [strip(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept: dict[str, Any] = {}
    for key, value in node.items():
        if not names and (key in _PROSE or key.startswith("x-")):
            continue
        kept[key] = strip(value, names=not names and key in _NAMED_CHILDREN)
    if kept.get("nullable") is True and isinstance(kept.get("enum"), list):
        # OpenAPI 3.0.3: a nullable enum must list null itself; the description does not.
        kept["enum"] = [*kept["enum"], *([] if None in kept["enum"] else [None])]
    return kept


def references(node: Any) -> set[tuple[str, str]]:
    """Every component that `node` refers to directly, as (kind, name)."""
    if isinstance(node, list):
        return set().union(*map(references, node))
    if not isinstance(node, dict):
        return set()
    found: set[tuple[str, str]] = set().union(*map(references, node.values()))
    target = node.get("$ref")
    if isinstance(target, str):
        kind, name = target.removeprefix("#/components/").split("/", 1)
        found.add((kind, name))
    return found


def _correct(cut: dict[str, Any]) -> None:
    """Mend the three places where the description is narrower than GitHub itself."""
    # Labels may be a bare list of names: PyGithub sends one.
    operation = cut["paths"][f"{_REPO}/issues/{{issue_number}}/labels"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    schema["oneOf"].append({"type": "array", "minItems": 1, "items": {"type": "string"}})
    # An outdated review comment has no line any more.
    comment = cut["components"]["schemas"]["review-comment"]
    comment["properties"]["line"]["nullable"] = True
    # An installation belongs to an account or to an enterprise, never to both at once.
    answer = cut["paths"]["/app/installations"]["get"]["responses"]["200"]
    item = answer["content"]["application/json"]["schema"]["items"]
    account = item["properties"]["account"]
    account["anyOf"] = account.pop("allOf")


def trim(description: dict[str, Any]) -> dict[str, Any]:
    """The part of `description` that `ENDPOINTS` needs. KeyError names an endpoint it lacks."""
    paths: dict[str, Any] = {}
    for path, methods in ENDPOINTS.items():
        for method in methods:
            if method not in description["paths"].get(path, {}):
                raise KeyError(f"{method.upper()} {path}")
        paths[path] = strip({method: description["paths"][path][method] for method in methods})
    for operations in paths.values():
        for operation in operations.values():
            for response in operation["responses"].values():
                if "$ref" not in response:
                    response["description"] = ""  # OpenAPI requires the key
    components: dict[str, dict[str, Any]] = {}
    wanted = references(paths)
    while wanted:
        kind, name = wanted.pop()
        if name in components.setdefault(kind, {}):
            continue
        part = strip(description["components"][kind][name])
        if kind == "responses":
            part["description"] = ""
        components[kind][name] = part
        wanted |= references(part)
    cut = {
        "openapi": description["openapi"],
        "info": {"title": "GitHub REST API, cut", "version": description["info"]["version"]},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {kind: dict(sorted(parts.items())) for kind, parts in components.items()},
    }
    _correct(cut)
    return cut


def main(argv: list[str] | None = None) -> int:
    """Write `github_openapi.json` from the whole description named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m bot.standin.trim_openapi")
    parser.add_argument("description", type=Path, help="api.github.com.json of @octokit/openapi")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args(argv)
    try:
        whole = json.loads(options.description.read_text(encoding="utf-8"))
        cut = trim(whole)
    except (OSError, ValueError) as error:
        print(f"cannot read {options.description}: {error}", file=sys.stderr)
        return 2
    except KeyError as error:
        print(f"the description has no {error.args[0]}", file=sys.stderr)
        return 2
    text = json.dumps(cut, separators=(",", ":"), sort_keys=True)
    options.output.write_text(text + "\n", encoding="utf-8")
    print(
        f"{options.output}: {len(text):,} bytes, {sum(map(len, cut['paths'].values()))} operations"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
