"""What one worker compiled while it warmed up, handed to the next through the judge."""

from __future__ import annotations

import json

import pytest

from runner.verifier.gpu import triton_cache

FILES = {"abc/kernel.cubin": bytes(range(256)), "abc/deep/er.json": b"{}", "top.so": b"\x7fELF"}


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    """The cache folder of this process, not there yet."""
    folder = tmp_path / "own"
    monkeypatch.setenv("TRITON_CACHE_DIR", str(folder))
    return folder


def fill(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_one_worker_packs_a_later_one_begins_with(own_cache, tmp_path, monkeypatch):
    fill(own_cache, FILES)
    packed = json.loads(json.dumps(triton_cache.pack()))  # as it goes through a pipe
    triton_cache.save(packed, tmp_path / "judges")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "later"))
    triton_cache.unpack(str(tmp_path / "judges"))
    assert contents(tmp_path / "later") == FILES


def test_the_judges_copy_is_not_the_workers(own_cache, tmp_path):
    fill(tmp_path / "judges", FILES)
    triton_cache.unpack(str(tmp_path / "judges"))
    (own_cache / "top.so").write_bytes(b"changed")
    assert contents(tmp_path / "judges") == FILES


def test_a_worker_keeps_what_it_has_beside_what_it_is_given(own_cache, tmp_path):
    fill(own_cache, {"mine": b"1", "abc/mine": b"2"})
    fill(tmp_path / "judges", FILES)
    triton_cache.unpack(str(tmp_path / "judges"))
    assert contents(own_cache) == {**FILES, "mine": b"1", "abc/mine": b"2"}


def test_a_first_worker_begins_with_nothing(own_cache):
    triton_cache.unpack(None)
    assert not own_cache.exists()
    assert triton_cache.pack() == {}


@pytest.mark.parametrize(("extra", "packed"), [(0, True), (1, False)])
def test_more_than_the_limit_is_not_handed_on(extra, packed, own_cache, monkeypatch):
    monkeypatch.setattr(triton_cache, "_MAX_BYTES", 1000)
    fill(own_cache, {"a": bytes(600), "b/c": bytes(400 + extra)})
    assert bool(triton_cache.pack()) is packed


def test_a_link_out_of_the_cache_gives_away_no_folder(own_cache, tmp_path):
    fill(tmp_path / "elsewhere", {"key": b"secret"})
    fill(own_cache, {"a": b"1"})
    (own_cache / "link").symlink_to(tmp_path / "elsewhere")
    assert set(triton_cache.pack()) == {"a"}
