"""The models of a run are loaded by a thread while it begins, once in a process."""

import threading
from pathlib import Path

import pytest

from classface_assets.core.errors import UserError
from classface_assets.orchestration.batches import packs
from classface_assets.orchestration.batches.packs import load_shared_pack, loading_ahead
from classface_assets.vision.models.download import PackError
from classface_assets.vision.models.registry import ModelPack, load_pack


@pytest.fixture
def loaded_by(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that load a pack, as they come."""
    threads: list[str] = []

    def load(name: str, packs_dir: Path, cache: Path) -> ModelPack:
        threads.append(threading.current_thread().name)
        return load_pack(name, packs_dir, cache)

    packs._load_once.cache_clear()
    monkeypatch.setattr(packs, "load_pack", load)
    return threads


def test_who_needs_a_pack_that_is_being_loaded_gets_that_one(tmp_path: Path, loaded_by: list[str]) -> None:
    with loading_ahead("builtin", tmp_path / "packs", tmp_path / "cache"):
        pack = load_shared_pack("builtin", tmp_path / "packs", tmp_path / "cache")
    assert pack is load_shared_pack("builtin", tmp_path / "packs", tmp_path / "cache")
    assert len(loaded_by) == 1


def test_a_pack_that_cannot_be_loaded_fails_where_it_is_needed(
    tmp_path: Path, loaded_by: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> ModelPack:
        loaded_by.append("refused")
        raise PackError("It cannot be loaded.")

    monkeypatch.setattr(packs, "load_pack", refuse)
    with loading_ahead("builtin", tmp_path / "packs", tmp_path / "cache"):
        pass
    assert loaded_by == ["refused"]
    with pytest.raises(UserError, match=r"^It cannot be loaded\.$"):
        load_shared_pack("builtin", tmp_path / "packs", tmp_path / "cache")


def test_a_pack_of_ones_own_is_loaded_by_who_needs_it(tmp_path: Path, loaded_by: list[str]) -> None:
    with loading_ahead(str(tmp_path / "own.onnx"), tmp_path / "packs", tmp_path / "cache"):
        pass
    assert loaded_by == []
