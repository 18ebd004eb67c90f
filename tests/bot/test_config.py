"""`.github/kernelwright.yml`: what it may say, and what is said of one that cannot be followed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bot.config import PATH, SCHEMA_PATH, RepositoryConfig, schema_text
from bot.config_file import MAX_BYTES, fetch_config, read_config
from bot.errors import GitHubError, GitHubUnavailable

ROOT = Path(__file__).parents[2]
WHOLE = """\
label: gpu kernel
problems_folder: kernels/made
runner_labels: [gpu, h100]
budget: {default: 20m, max: 1h30m}
who_may_ask:
  roles: [maintain, kernel author]
  users: [mona]
caps:
  per_person_per_day: 5
  per_repository_per_day: null
baselines: [eager, compile]
"""


def faults(text: str | bytes) -> list[tuple[int | None, str]]:
    read = read_config(text.encode() if isinstance(text, str) else text)
    assert read.config is None
    assert {row.file for row in read.faults} == {PATH}
    return [(row.line, row.message) for row in read.faults]


def test_every_setting_can_be_read() -> None:
    config = read_config(WHOLE.encode()).config
    assert config is not None
    assert config.label == "gpu kernel"
    assert config.problems_folder == "kernels/made"
    assert config.runner_labels == ("gpu", "h100")
    assert (config.budget.default_s, config.budget.max_s) == (1200, 5400)
    assert config.who_may_ask.roles == ("maintain", "kernel author")
    assert config.who_may_ask.users == ("mona",)
    assert config.caps.per_person_per_day == 5
    assert config.caps.per_repository_per_day is None
    assert config.baselines == ("eager", "compile")
    # As the durable records keep it.
    assert RepositoryConfig.model_validate(json.loads(config.model_dump_json())) == config


@pytest.mark.parametrize("text", ["", "\n", "# nothing yet\n", "---\n", "{}\n", "\ufeff{}\n"])
def test_what_is_left_out_has_its_default(text: str) -> None:
    assert read_config(text.encode()).config == RepositoryConfig()


def test_this_repositorys_own_file_shows_the_defaults() -> None:
    data = (ROOT / PATH).read_bytes()
    assert read_config(data).config == RepositoryConfig()
    assert set(yaml.safe_load(data)) == set(RepositoryConfig.model_fields)
    jsonschema.validate(yaml.safe_load(data), json.loads(schema_text()))
    # Editors find the schema by this line.
    assert data.startswith(b"# yaml-language-server: $schema=./kernelwright.schema.json\n")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("label: a\nlable: b\n", 2, "lable: unknown key; did you mean label?"),
        ("zebra: 1\n", 1, "zebra: unknown key"),
        ("# a\n\nbudget:\n  default: 15m\n  maxx: 1h\n", 5, "did you mean max?"),
        ("label: 7\n", 1, "label: input should be a valid string, found 7"),
        ("label: on\n", 1, "found True"),
        ("label: [a]\n", 1, "should be a valid string"),
        ("label: kernel-request:done\n", 1, "the bot's own"),
        ("label: ' a'\n", 1, "label: string should match"),
        ("runner_labels: gpu\n", 1, "should be a valid tuple"),
        ("runner_labels:\n  - gpu\n  - 'a b'\n", 3, "runner_labels.1: string should match"),
        ("runner_labels: ['$(reboot)']\n", 1, "string should match"),
        ("budget: 30m\n", 1, "should be a mapping"),
        ("budget:\n  default: 30\n", 2, "budget.default: input should be a valid string"),
        ("budget:\n  default: 30 min\n", 2, "budget.default"),
        ("budget:\n  max: 7h\n", 2, "must be from 1m to 6h"),
        ("budget:\n  tokens: 0\n", 2, "greater than or equal to 1"),
        ("budget:\n  tokens: 2e6\n", 2, "valid integer"),
        ("label: a\nbudget:\n  default: 2h\n", 2, "default, 2h, is longer than the max, 1h"),
        ("who_may_ask:\n  roles: [write, read]\n", 2, "everybody has the role read"),
        ("who_may_ask:\n  roles: []\n", 1, "nobody could ask"),
        ("who_may_ask:\n  users: ['@mona']\n", 2, "who_may_ask.users.0"),
        ("caps:\n  per_person_per_day: 0\n", 2, "greater than or equal to 1"),
        ("caps:\n  per_person_per_day: '5'\n", 2, "valid integer"),
        ("caps:\n  per_person_per_day: 2.5\n", 2, "valid integer"),
        ("caps:\n  per_person_per_day: yes\n", 2, "valid integer"),
        ("problems_folder: ../elsewhere\n", 1, "a folder of this repository"),
        ("problems_folder: .github/workflows\n", 1, "neither .git nor .github"),
        ("problems_folder: /root\n", 1, "string should match"),
        ("baselines: [Eager]\n", 1, "baselines.0"),
        ("- label: a\n", 1, "the file: should be a mapping"),
        ("just words\n", 1, "the file: should be a mapping"),
    ],
)
def test_a_fault_has_its_line_and_says_what_is_wrong(text: str, line: int, words: str) -> None:
    ((found, message),) = faults(text)
    assert found == line
    assert words in message


def test_every_fault_is_found_at_once_in_the_files_order() -> None:
    text = "lable: a\nbudget:\n  default: 5\ncaps: []\nwho_may_ask:\n  users: [mona, 7, '']\n"
    assert [line for line, _ in faults(text)] == [1, 3, 4, 6, 6]


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (BOMB.encode(), 1, "anchors (&name) are not read"),
        (b"label: *x\n", 1, "aliases (*name) are not read"),
        (b"<<: *x\n", 1, "aliases (*name) are not read"),
        (b"label: !!python/object/apply:os.system [reboot]\n", 1, "tags"),
        (b"label: !!str 7\n", 1, "tags"),
        (b"label: a\nlabel: b\n", 2, "label stands here a second time"),
        (b"? [a, b]\n: c\n", 1, "a key must be a plain word"),
        (b"label: a\n---\nlabel: b\n", 2, "a second document"),
        (b"[" * 5000, 1, "nested more than"),
        (b"label: 'a\n", 2, "is not YAML"),
        (b"label: a: b\n", 1, "is not YAML"),
        (b"\tlabel: a\n", 1, "is not YAML"),
        (b"label: \x00\n", None, "is not YAML"),
        (b"label: \xff\n", None, "is not UTF-8 text"),
        (b"#" * (MAX_BYTES + 1), None, f"is larger than {MAX_BYTES} bytes"),
    ],
    ids=range(15),
)
def test_a_hostile_file_is_a_fault_and_nothing_else(
    data: bytes, line: int | None, words: str
) -> None:
    started_s = time.process_time()
    ((found, message),) = faults(data)
    assert time.process_time() - started_s < 2
    assert words in message
    assert found == line
    assert len(message) < 500


def test_with_faults_the_label_is_still_the_files_own_where_that_can_be_read() -> None:
    assert read_config(b"label: gpu\nzebra: 1\n").label == "gpu"
    assert read_config(b"label: 7\nzebra: 1\n").label == "kernel-request"
    assert read_config(b"[").label == "kernel-request"


def test_the_published_schema_is_current() -> None:
    published = (ROOT / SCHEMA_PATH).read_text()
    assert published == schema_text(), f"run `python -m bot.config > {SCHEMA_PATH}`"


SCHEMA: dict[str, Any] = json.loads(schema_text())


def test_the_schema_takes_what_the_bot_takes() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(yaml.safe_load(WHOLE), SCHEMA)
    jsonschema.validate({}, SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        "zebra: 1", "label: 7", "label: ' a'", "runner_labels: gpu", "runner_labels: ['a b']",
        "budget: 30m", "budget: {default: 30}", "budget: {default: 30 min}", "budget: {maxx: 1h}",
        "who_may_ask: {users: ['@mona']}", "caps: {per_person_per_day: 0}",
        "caps: {per_person_per_day: '5'}", "problems_folder: /root", "baselines: [Eager]",
    ],
)  # fmt: skip
def test_the_schema_refuses_what_the_bot_refuses(text: str) -> None:
    assert faults(text)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), SCHEMA)


def test_a_repository_without_the_file_has_the_defaults(fake: Any) -> None:
    assert fetch_config(fake).config == RepositoryConfig()


def test_the_file_is_read_from_the_default_branch_alone(fake: Any) -> None:
    fake.commit_as("mona", "other", "Set up", {PATH: b"label: other\n"})
    assert fetch_config(fake).label == "kernel-request"
    fake.commit_as("mona", "main", "Set up", {PATH: b"label: gpu\n"})
    assert fetch_config(fake).label == "gpu"


def test_a_file_that_github_does_not_hand_out_is_a_fault_not_a_default(fake: Any) -> None:
    fake.commit_as("mona", "main", "Set up", {PATH: b"#" * 1_000_001})
    read = fetch_config(fake)
    assert read.config is None
    assert "is larger than" in read.faults[0].message


@pytest.mark.parametrize("error", [GitHubUnavailable(503, "down"), GitHubError(403, "no")])
def test_what_github_cannot_say_is_no_default_either(fake: Any, error: Exception) -> None:
    def fail(name: str) -> None:
        if name == "read_bytes":
            raise error

    fake.before_call = fail
    with pytest.raises(type(error)):
        fetch_config(fake)
