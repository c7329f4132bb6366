"""Packs by name and by folder: what is told of them, and what is refused."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from classface_assets.vision.models import centerface, dlib_weights
from classface_assets.vision.models.download import PackError
from classface_assets.vision.models.pack_info import describe_pack
from classface_assets.vision.models.registry import load_pack


def test_packs_are_described_without_loading_a_model(tmp_path: Path) -> None:
    info = describe_pack("builtin", tmp_path)
    assert info.name == "builtin" and info.version and "Commercial use is allowed" in info.licence
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "det.onnx").write_bytes(b"one")
    (tmp_path / "mine" / "rec.onnx").write_bytes(b"two")
    first = describe_pack(str(tmp_path / "mine"), tmp_path)
    (tmp_path / "mine" / "rec.onnx").write_bytes(b"three")
    second = describe_pack(str(tmp_path / "mine"), tmp_path)
    assert first.name == second.name == "mine"
    assert first.version != second.version and first.detector_version == second.detector_version


@pytest.fixture
def broken_pack(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "det.onnx").write_bytes(b"this is no model")
    yield folder


def test_unusable_packs_say_what_to_do(tmp_path: Path, broken_pack: Path) -> None:
    (tmp_path / "none").mkdir()
    detector_only = tmp_path / "half"
    detector_only.mkdir()
    found = centerface.centerface_weights_path()
    assert found
    shutil.copy(found, detector_only / "det.onnx")
    for name, message in {
        "buffalo_x": "No model pack 'buffalo_x': give one of builtin, buffalo_l, buffalo_s, antelopev2, or the path",
        str(tmp_path / "none"): "No .onnx files in .*: a pack is a folder with a detector and a recognition model",
        str(broken_pack): "det.onnx is not a model that can be loaded: replace it or delete it",
        str(detector_only): "half: a pack needs a detector and a recogniser|half/det.onnx",
    }.items():
        with pytest.raises(PackError, match=message) as raised:
            load_pack(name, tmp_path, tmp_path)
        assert "\n" not in str(raised.value)


def test_a_pack_that_cannot_be_downloaded_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with socket.socket() as closed:  # a proxy where nobody listens: no network, on every machine
        closed.bind(("127.0.0.1", 0))
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(PackError, match=r"buffalo_s is not in .* and could not be downloaded .*: connect to the"):
            load_pack("buffalo_s", tmp_path / "packs", tmp_path)
    assert capsys.readouterr().out == ""
    assert [path.name for path in (tmp_path / "packs").rglob("*")] == ["models"]


def test_a_pack_unpacked_into_a_folder_of_its_own_name_is_found(tmp_path: Path) -> None:
    inner = tmp_path / "models" / "antelopev2" / "antelopev2"
    inner.mkdir(parents=True)
    (inner / "scrfd_10g.onnx").write_bytes(b"weights")
    assert describe_pack("antelopev2", tmp_path).name == "antelopev2"


def test_changed_weights_are_refused() -> None:
    path = dlib_weights.dlib_weights_path()
    assert path
    data = bytearray(path.read_bytes())
    data[5_000_000] ^= 1
    with pytest.raises(ValueError, match="SHA-256"):
        dlib_weights.read_dlib_resnet(bytes(data))
