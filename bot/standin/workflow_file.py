"""What the stand-in needs to know of a workflow file.

Owns the reading of `workflow_dispatch` inputs, of the step that does the work (by its id) and of
the first upload step, and the few expressions that these may hold. Refuses, with `WorkflowFault`,
what it would have to guess at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)+")
_TEXT = re.compile(r"'((?:[^']|'')*)'")
Contexts = Mapping[str, Mapping[str, str]]
_MAIN_STEPS = ("generate", "verify")


class WorkflowFault(Exception):
    """A workflow file that cannot be run here; the message says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    required: bool
    default: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowFile:
    """A workflow, cut to the step that does the work and to what it hands back.

    Values are unresolved: `resolve` them with the contexts of a run.
    """

    name: str
    run_name: str
    inputs: Mapping[str, Input]
    script: str
    env: Mapping[str, str]
    timeout_s: float
    id_token: bool  # the job may ask for an OIDC token
    pipefail: bool  # `shell: bash` fails a pipe when any part of it fails
    checkout_path: str | None  # below the workspace; None: nothing is checked out
    checkout_ref: str  # an expression; empty: the commit that the run was started for
    artifact_name: str
    artifact_path: str
    uploads_always: bool  # also where the job was cancelled or has failed


def workflow_name(text: str, file_name: str) -> str:
    """The `name:` of any workflow; its path when it has none."""
    return str(_load(text).get("name") or f".github/workflows/{file_name}")


def parse_workflow(text: str, file_name: str) -> WorkflowFile:
    """Read a workflow that can be dispatched and has a step with one of the `_MAIN_STEPS` ids."""
    document = _load(text)
    # YAML 1.1 reads a bare `on` as the truth value.
    triggers = document.get("on", document.get(True)) or {}
    if not isinstance(triggers, dict) or "workflow_dispatch" not in triggers:
        raise WorkflowFault("Workflow does not have 'workflow_dispatch' trigger")
    dispatch = triggers["workflow_dispatch"] or {}
    job, step = _main_step(document)
    checkout = _step_using(job, "actions/checkout")
    upload = _step_using(job, "actions/upload-artifact")
    if upload is None:
        raise WorkflowFault("the job of that step has no actions/upload-artifact step")
    layers = (document.get("env"), job.get("env"), step.get("env"))
    env = {str(k): _text(v) for layer in layers for k, v in (layer or {}).items()}
    minutes = step.get("timeout-minutes") or job.get("timeout-minutes") or 360
    return WorkflowFile(
        name=str(document.get("name") or file_name),
        run_name=str(document.get("run-name") or document.get("name") or file_name),
        inputs={
            name: Input(
                required=bool((spec or {}).get("required", False)),
                default=_text((spec or {}).get("default", "")),
            )
            for name, spec in (dispatch.get("inputs") or {}).items()
        },
        script=str(step["run"]),
        env=env,
        timeout_s=60.0 * float(minutes),
        id_token=_permissions(document, job).get("id-token") == "write",
        pipefail=step.get("shell") == "bash",
        checkout_path=None
        if checkout is None
        else str((checkout.get("with") or {}).get("path", "")),
        checkout_ref=str(((checkout or {}).get("with") or {}).get("ref", "")),
        artifact_name=str((upload.get("with") or {}).get("name", "artifact")),
        artifact_path=str((upload.get("with") or {}).get("path", "")),
        uploads_always="always()" in str(upload.get("if", "")),
    )


def _load(text: str) -> dict[Any, Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise WorkflowFault(f"the workflow is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise WorkflowFault("the workflow is not a mapping")
    return document


def _main_step(document: dict[Any, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    for job in (document.get("jobs") or {}).values():
        for step in job.get("steps") or []:
            if step.get("id") in _MAIN_STEPS and "run" in step:
                return job, step
    raise WorkflowFault(
        "the workflow has no step with 'id: generate' or 'id: verify' and a 'run:' script"
    )


def _permissions(document: dict[Any, Any], job: dict[str, Any]) -> dict[str, Any]:
    """What the job's token may do: its own word, else the file's. `write-all` grants no token."""
    given = job.get("permissions", document.get("permissions"))
    return given if isinstance(given, dict) else {}


def _step_using(job: dict[str, Any], action: str) -> dict[str, Any] | None:
    for step in job.get("steps") or []:
        if str(step.get("uses", "")).startswith(f"{action}@"):
            found: dict[str, Any] = step
            return found
    return None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def resolve(text: str, contexts: Contexts) -> str:
    """`text` with every `${{ … }}` replaced: dotted names, 'texts', and `a || b` of these.

    A name that is not there is empty, as on GitHub. Raises `WorkflowFault` for any other syntax.
    """
    return _EXPRESSION.sub(lambda match: _alternatives(match[1], contexts), text)


def _alternatives(expression: str, contexts: Contexts) -> str:
    for term in expression.split("||"):
        value = _term(term.strip(), contexts)
        if value:
            return value
    return ""


def _term(term: str, contexts: Contexts) -> str:
    literal = _TEXT.fullmatch(term)
    if literal:
        return literal[1].replace("''", "'")
    if not _NAME.fullmatch(term):
        raise WorkflowFault(f"the expression '{term}' is not one that the stand-in can resolve")
    context, _, name = term.partition(".")
    if context not in contexts:
        raise WorkflowFault(f"the context of '{term}' is not one that the stand-in has")
    return contexts[context].get(name, "")
