"""GitHub's description, cut: what is kept, what a path means, what is said against a request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.standin import description, trim_openapi
from bot.standin.api import ROUTES
from bot.standin.description import Operation


@pytest.fixture(scope="module")
def judge() -> description.Description:
    return description.load()


def whole_description() -> dict[str, Any]:
    """A description with every listed endpoint, one schema in use and one that is not."""
    operation = {
        "description": "prose",
        "x-github": {"a": 1},
        "requestBody": {"content": {"application/json": {"schema": {"oneOf": []}}}},
        "responses": {"200": {"$ref": "#/components/responses/used"}},
    }
    properties = {"description": {"type": "string", "example": "x"}, "line": {"type": "integer"}}
    item = {"properties": {"account": {"allOf": []}}}
    listing = {"content": {"application/json": {"schema": {"type": "array", "items": item}}}}
    installations = {**operation, "responses": {"200": listing}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "whole", "version": "1.2"},
        "paths": {
            path: dict.fromkeys(("get", "post", "patch", "put", "delete"), operation)
            for path in trim_openapi.ENDPOINTS
        }
        | {"/app/installations": {"get": installations}},
        "components": {
            "responses": {
                "used": {
                    "description": "prose",
                    "content": {
                        "application/json": {
                            "schema": {"$ref": "#/components/schemas/review-comment"}
                        }
                    },
                }
            },
            "schemas": {
                "review-comment": {
                    "description": "prose",
                    "properties": properties,
                    "enum": ["a"],
                    "nullable": True,
                },
                "unused": {"type": "string"},
            },
            "examples": {"unused": {"value": 1}},
        },
    }


def test_cut_keeps_what_is_in_use_and_drops_prose_examples_and_extensions() -> None:
    cut = trim_openapi.trim(whole_description())
    assert set(cut["paths"]) == set(trim_openapi.ENDPOINTS)
    assert set(cut["paths"]["/app"]) == {"get"}
    assert set(cut["components"]["schemas"]) == {"review-comment"}
    assert "examples" not in cut["components"]
    assert "prose" not in json.dumps(cut)
    assert "x-github" not in json.dumps(cut)


def test_cut_keeps_a_property_that_is_called_description() -> None:
    schema = trim_openapi.trim(whole_description())["components"]["schemas"]["review-comment"]
    assert schema["properties"]["description"] == {"type": "string"}


def test_cut_lets_a_nullable_enum_be_null() -> None:
    schema = trim_openapi.trim(whole_description())["components"]["schemas"]["review-comment"]
    assert schema["enum"] == ["a", None]


def test_cut_names_an_endpoint_that_the_description_lacks(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking = whole_description()
    del lacking["paths"]["/app"]["get"]
    (tmp_path / "api.json").write_text(json.dumps(lacking))
    assert trim_openapi.main([str(tmp_path / "api.json")]) == 2
    assert "GET /app" in capsys.readouterr().err


def test_kept_description_has_the_listed_endpoints_and_stays_small() -> None:
    text = description.DESCRIPTION_FILE.read_text(encoding="utf-8")
    kept = {path: set(item) for path, item in json.loads(text)["paths"].items()}
    assert kept == {path: set(methods) for path, methods in trim_openapi.ENDPOINTS.items()}
    assert len(text) < 1_000_000
    licence = description.DESCRIPTION_FILE.with_suffix(".LICENSE").read_text(encoding="utf-8")
    assert "MIT License" in licence


def test_every_operation_of_the_description_has_a_route(judge: description.Description) -> None:
    assert set(ROUTES) == judge.operations


@pytest.mark.parametrize(
    ("method", "path", "template", "params"),
    [
        ("GET", "/app", "/app", {}),
        (
            "GET",
            "/repos/o/r/git/ref/heads%2Fkernel%2F1-x",
            "/repos/{owner}/{repo}/git/ref/{ref}",
            {"owner": "o", "repo": "r", "ref": "heads/kernel/1-x"},
        ),
        (
            "GET",
            "/repos/o/r/commits/kernel/1-x/check-runs",
            "/repos/{owner}/{repo}/commits/{ref}/check-runs",
            {"owner": "o", "repo": "r", "ref": "kernel/1-x"},
        ),
        (
            "GET",
            "/repos/o/r/contents/problems/a%20b/kernel.py",
            "/repos/{owner}/{repo}/contents/{path}",
            {"owner": "o", "repo": "r", "path": "problems/a b/kernel.py"},
        ),
        (
            "PATCH",
            "/repos/o/r/issues/comments/7",
            "/repos/{owner}/{repo}/issues/comments/{comment_id}",
            {"owner": "o", "repo": "r", "comment_id": "7"},
        ),
        (
            "DELETE",
            "/repos/o/r/issues/7/labels/kernel-request%3Ainvalid",
            "/repos/{owner}/{repo}/issues/{issue_number}/labels/{name}",
            {"owner": "o", "repo": "r", "issue_number": "7", "name": "kernel-request:invalid"},
        ),
    ],
)
def test_finds_the_operation_that_a_path_means(
    judge: description.Description, method: str, path: str, template: str, params: dict[str, str]
) -> None:
    assert judge.find(method, path) == Operation(method=method, template=template, params=params)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/repos/o/r/releases"), ("DELETE", "/repos/o/r"), ("GET", "/api/v3/app")],
)
def test_an_endpoint_that_is_not_in_use_means_nothing(
    judge: description.Description, method: str, path: str
) -> None:
    assert judge.find(method, path) is None


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "fault"),
    [
        ("POST", "/repos/o/r/issues/1/comments", "", {"text": "x"}, "'body' is a required"),
        ("POST", "/repos/o/r/issues/1/comments", "", {"body": 7}, "is not of type 'string'"),
        ("POST", "/repos/o/r/issues/1/comments", "", None, "Missing required request body"),
        ("POST", "/repos/o/r/issues/1/reactions", "", {"content": "ok"}, "is not one of"),
        ("GET", "/repos/o/r/issues/seven", "", None, "Failed to cast value to integer"),
        ("GET", "/repos/o/r/issues/1/comments", "per_page=many", None, "Failed to cast value"),
        (
            "POST",
            "/repos/o/r/check-runs",
            "",
            {"name": "v", "head_sha": "a", "output": {"title": "t", "summary": "s" * 65_536}},
            "is too long",
        ),
        ("POST", "/repos/o/r/git/trees", "", {"tree": [{"mode": "777"}]}, "is not one of"),
    ],
)
def test_says_what_is_wrong_with_a_request(
    judge: description.Description, method: str, path: str, query: str, body: Any, fault: str
) -> None:
    operation = judge.find(method, path)
    assert operation is not None
    data = b"" if body is None else json.dumps(body).encode()
    faults = judge.request_faults(operation, query, data, "application/json")
    assert len(faults) == 1
    assert fault in faults[0]
    assert len(faults[0]) < 1_000  # never the whole offending value


@pytest.mark.parametrize("body", [["a"], {"labels": ["a"]}])
def test_takes_labels_in_both_forms_that_github_takes(
    judge: description.Description, body: Any
) -> None:
    operation = judge.find("POST", "/repos/o/r/issues/1/labels")
    assert operation is not None
    assert judge.request_faults(operation, "", json.dumps(body).encode(), "application/json") == []


def test_says_what_is_wrong_with_a_response(judge: description.Description) -> None:
    operation = judge.find("GET", "/repos/o/r/issues/1")
    assert operation is not None
    faults = judge.response_faults(operation, 200, b'{"id": 1}')
    assert "is a required property" in faults[0]
