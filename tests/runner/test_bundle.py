from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.bundle import MAX_ARCHIVE_BYTES, pack_bundle, read_bundle, write_bundle
from runner.contract import KernelRequest
from runner.errors import BundleError

FIXTURES = Path(__file__).parents[1] / "fixtures" / "bundles"
REQUEST = KernelRequest.model_validate_json((FIXTURES / "request.json").read_text())

REASONS = {
    "absolute_path": "unsafe path",
    "parent_path": "unsafe path",
    "backslash_path": "unsafe path",
    "drive_path": "unsafe path",
    "nul_in_name": "unsafe path",
    "workflow_file": "is not a file of a bundle",
    "other_folder": "is not a file of problems/add_one/",
    "symlink": "is a link",
    "duplicate": "occurs twice",
    "many_entries": "entries; a bundle has at most",
    "zip_bomb": "is compressed more than",
    "file_too_large": "unpacks to",
    "wrong_digest": "does not match its digest",
    "unlisted_file": "does not list exactly the files",
    "swapped_kernel": "is not the candidate that the verdict is about",
    "missing_tests": "has no problems/add_one/test_kernel.py",
    "not_utf8": "is not UTF-8",
    "edited_reference": "is not the request's own",
    "edited_spec_digest": "another spec or reference",
    "another_request": "made for request kw-ffffffffffffffff",
    "another_repository": "another repository",
    "unknown_schema": "schema version 99",
    "unknown_field": "note",
    "unsolved_with_kernel": "unsolved bundle carries a kernel",
    "improved_unmeasured": "IMPROVED without a measured performance",
    "no_manifest": "has no manifest.json",
    "not_a_zip": "not a readable zip",
    "truncated": "not a readable zip",
    "empty": "not a readable zip",
}


def test_reads_a_good_bundle() -> None:
    bundle = read_bundle((FIXTURES / "good.zip").read_bytes(), request=REQUEST)
    assert bundle.manifest.problem == "add_one"
    assert bundle.problem_file("kernel.py") is not None
    assert bundle.problem_file("baseline.py") is None
    assert len(bundle.files) == 7


@pytest.mark.parametrize("name", sorted(REASONS))
def test_refuses_hostile_bundle(name: str) -> None:
    with pytest.raises(BundleError) as caught:
        read_bundle((FIXTURES / f"{name}.zip").read_bytes(), request=REQUEST)
    assert REASONS[name] in caught.value.reason


def test_every_hostile_fixture_has_its_reason() -> None:
    assert {path.stem for path in FIXTURES.glob("*.zip")} - {"good"} == set(REASONS)


def test_refuses_an_oversized_archive_without_opening_it() -> None:
    with pytest.raises(BundleError, match="archive of"):
        read_bundle(b"PK" + bytes(MAX_ARCHIVE_BYTES), request=REQUEST)


def test_lying_size_header_is_not_believed() -> None:
    # Both headers claim 10 bytes for a member that unpacks to 9 MiB.
    data = bytearray((FIXTURES / "file_too_large.zip").read_bytes())
    true_size = (9 << 20).to_bytes(4, "little")
    assert data.count(true_size) == 2
    lie = bytes(data).replace(true_size, (10).to_bytes(4, "little"))
    with pytest.raises(BundleError):
        read_bundle(lie, request=REQUEST)


def test_write_pack_read_round_trip(tmp_path: Path) -> None:
    bundle = read_bundle((FIXTURES / "good.zip").read_bytes(), request=REQUEST)
    write_bundle(tmp_path, bundle.manifest, bundle.files)
    again = read_bundle(pack_bundle(tmp_path), request=REQUEST)
    assert again == bundle


def test_write_refuses_what_read_would_refuse(tmp_path: Path) -> None:
    bundle = read_bundle((FIXTURES / "good.zip").read_bytes(), request=REQUEST)
    files = {**bundle.files, "problems/add_one/kernel.py": b"changed"}
    with pytest.raises(BundleError, match="digest"):
        write_bundle(tmp_path, bundle.manifest, files)
    assert not list(tmp_path.iterdir())


def test_bundle_with_another_baseline_is_refused() -> None:
    request = REQUEST.model_copy(update={"baseline_py": "def fast(x): ...\n"})
    with pytest.raises(BundleError, match=r"no baseline\.py"):
        read_bundle((FIXTURES / "good.zip").read_bytes(), request=request)


def test_manifest_is_readable_json() -> None:
    import zipfile

    with zipfile.ZipFile(FIXTURES / "good.zip") as archive:
        document = json.loads(archive.read("manifest.json"))
    assert document["schema_version"] == 1
