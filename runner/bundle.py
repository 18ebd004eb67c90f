"""The result bundle: one manifest and the files of one problem folder, as folder and as zip.

Owns the layout and its checks. Reading treats every byte as hostile: sizes, paths, links, digests
and identity are checked before anything is believed. Torch-free; never runs or imports a file.
"""

from __future__ import annotations

import io
import json
import stat
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from runner.contract import (
    SCHEMA_VERSION,
    BundleFile,
    KernelRequest,
    Outcome,
    ResultBundle,
    sha256_hex,
)
from runner.errors import BundleError
from runner.kernel_facts import kernel_digest
from runner.picture_check import picture_fault
from runner.problem import problem_digest

MANIFEST = "manifest.json"
REQUIRED_FILES = (
    "problem.toml",
    "reference.py",
    "kernel.py",
    "test_kernel.py",
    "bench_kernel.py",
    "results.json",
    "README.md",
)
PICTURES = ("search.svg", "times.svg")
PROBLEM_FILES = (*REQUIRED_FILES, *PICTURES, "baseline.py", "transcript.jsonl")
MAX_ARCHIVE_BYTES = 16 << 20
MAX_TOTAL_BYTES = 16 << 20
MAX_FILE_BYTES = 8 << 20
MAX_KERNEL_BYTES = 256 << 10
# Deflate reaches about 1000 on a run of one byte. Small files may repeat themselves as they like.
MAX_COMPRESSION_RATIO = 100
RATIO_APPLIES_FROM_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedBundle:
    """A bundle that passed every check. `files` maps `problems/<slug>/<name>` to its content."""

    manifest: ResultBundle
    files: Mapping[str, bytes]

    def problem_file(self, name: str) -> bytes | None:
        """The content of `problems/<slug>/<name>`, or None."""
        return self.files.get(f"problems/{self.manifest.problem}/{name}")


def describe_files(files: Mapping[str, bytes]) -> tuple[BundleFile, ...]:
    """The manifest's rows for `files`, sorted by path."""
    return tuple(
        BundleFile(path=path, sha256=sha256_hex(data), size_bytes=len(data))
        for path, data in sorted(files.items())
    )


def write_bundle(folder: Path, manifest: ResultBundle, files: Mapping[str, bytes]) -> None:
    """Write a bundle folder. Refuses (BundleError) what `read_bundle` would refuse."""
    _check_contents(manifest, files)
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")


def pack_bundle(folder: Path) -> bytes:
    """Zip a bundle folder as the artifact service does: paths relative to the folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


def read_bundle(data: bytes, *, request: KernelRequest) -> CheckedBundle:
    """Unpack and check the artifact of `request`. Raises BundleError with the first reason."""
    contents = _unzip(data)
    manifest = _parse_manifest(contents.pop(MANIFEST, None))
    if manifest.request_id != request.request_id:
        raise BundleError(f"made for request {manifest.request_id}, not {request.request_id}")
    same = (manifest.repository, manifest.issue_number, manifest.generation)
    if same != (request.repository, request.issue_number, request.generation):
        raise BundleError("made for another repository, issue or generation")
    if manifest.problem_sha256 != problem_digest(request.problem_toml, request.reference_py):
        raise BundleError("made for another spec or reference")
    _check_contents(manifest, contents)
    bundle = CheckedBundle(manifest=manifest, files=contents)
    _check_texts(bundle, request)
    return bundle


def _unzip(data: bytes) -> dict[str, bytes]:
    if len(data) > MAX_ARCHIVE_BYTES:
        raise BundleError(f"archive of {len(data)} bytes; at most {MAX_ARCHIVE_BYTES} are taken")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read_members(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        # RuntimeError: an encrypted member; NotImplementedError: an unknown compression.
        raise BundleError(f"not a readable zip archive: {error}") from error


def _read_members(archive: zipfile.ZipFile) -> dict[str, bytes]:
    members = archive.infolist()
    if len(members) > len(PROBLEM_FILES) + 8:
        raise BundleError(f"{len(members)} entries; a bundle has at most {len(PROBLEM_FILES) + 1}")
    contents: dict[str, bytes] = {}
    total = 0
    for member in members:
        if member.is_dir():
            continue
        _check_member(member)
        if member.filename in contents:
            raise BundleError(f"{member.filename!r} occurs twice")
        with archive.open(member) as stream:
            # The header's size is the sender's claim: never read past the cap.
            content = stream.read(MAX_FILE_BYTES + 1)
        total += len(content)
        if len(content) > MAX_FILE_BYTES or total > MAX_TOTAL_BYTES:
            raise BundleError(f"{member.filename!r} unpacks beyond the size limit")
        contents[member.filename] = content
    return contents


def _check_member(member: zipfile.ZipInfo) -> None:
    # The name as stored: zipfile cuts at a NUL and would hide what follows.
    name = member.orig_filename
    parts = name.split("/")
    if name != member.filename or "\\" in name or "\0" in name:
        raise BundleError(f"unsafe path {name!r}")
    if name.startswith("/") or any(part in ("", ".", "..") for part in parts) or ":" in name:
        raise BundleError(f"unsafe path {name!r}")
    if name != MANIFEST and not (
        len(parts) == 3 and parts[0] == "problems" and parts[2] in PROBLEM_FILES
    ):
        raise BundleError(f"{name!r} is not a file of a bundle")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise BundleError(f"{name!r} is a link or a special file")
    if member.file_size > MAX_FILE_BYTES:
        raise BundleError(f"{name!r} unpacks to {member.file_size} bytes")
    ratio = member.file_size / max(member.compress_size, 1)
    if member.file_size >= RATIO_APPLIES_FROM_BYTES and ratio > MAX_COMPRESSION_RATIO:
        raise BundleError(f"{name!r} is compressed more than {MAX_COMPRESSION_RATIO} times")


def _parse_manifest(data: bytes | None) -> ResultBundle:
    if data is None:
        raise BundleError(f"has no {MANIFEST}")
    try:
        document: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{MANIFEST} is not JSON") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise BundleError(f"{MANIFEST} has schema version {version!r}; this reads {SCHEMA_VERSION}")
    try:
        return ResultBundle.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{MANIFEST}: {where}: {first['msg']}") from error


def _check_contents(manifest: ResultBundle, files: Mapping[str, bytes]) -> None:
    """The manifest describes exactly these files, all of them are known, none is missing."""
    prefix = f"problems/{manifest.problem}/"
    for path, data in files.items():
        if not path.startswith(prefix) or path.removeprefix(prefix) not in PROBLEM_FILES:
            raise BundleError(f"{path!r} is not a file of {prefix}")
        if len(data) > MAX_FILE_BYTES:
            raise BundleError(f"{path!r} has {len(data)} bytes; at most {MAX_FILE_BYTES}")
    if sorted(file.path for file in manifest.files) != sorted(files):
        raise BundleError("the manifest does not list exactly the files of the bundle")
    for row in manifest.files:
        data = files[row.path]
        if len(data) != row.size_bytes or sha256_hex(data) != row.sha256:
            raise BundleError(f"{row.path!r} does not match its digest")
    kernel = files.get(f"{prefix}kernel.py")
    if manifest.outcome is Outcome.UNSOLVED:
        if kernel is not None:
            raise BundleError("an unsolved bundle carries a kernel")
        return
    for name in REQUIRED_FILES:
        if prefix + name not in files:
            raise BundleError(f"has no {prefix}{name}")
    if kernel is None or manifest.best is None:
        raise BundleError("solved, but without kernel or verdict")
    if len(kernel) > MAX_KERNEL_BYTES:
        raise BundleError(f"kernel.py has {len(kernel)} bytes; at most {MAX_KERNEL_BYTES}")
    if _digest_of(kernel) != manifest.best.candidate_sha256:
        raise BundleError("kernel.py is not the candidate that the verdict is about")


def _digest_of(kernel: bytes) -> str | None:
    """Of the candidate in the file, without the facts in its docstring; None: it is no text."""
    try:
        return kernel_digest(kernel.decode("utf-8"))
    except UnicodeDecodeError:
        return None


def _check_texts(bundle: CheckedBundle, request: KernelRequest) -> None:
    """Every file is text, and the spec files are the request's own."""
    own = {
        "problem.toml": request.problem_toml,
        "reference.py": request.reference_py,
        "baseline.py": request.baseline_py,
    }
    for path, data in bundle.files.items():
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BundleError(f"{path!r} is not UTF-8 text") from error
        name = path.rsplit("/", 1)[-1]
        fault = picture_fault(data) if name in PICTURES else None
        if fault is not None:
            raise BundleError(f"{path!r} {fault}")
        if name in own and text != own[name]:
            raise BundleError(f"{path!r} is not the request's own")
    if request.baseline_py is not None and bundle.files and not bundle.problem_file("baseline.py"):
        raise BundleError("has no baseline.py although the request has one")
