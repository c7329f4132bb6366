"""Packs by name and by folder: what is told of them, and what is refused."""

import re
import shutil
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest

from classface_assets.vision.models import centerface
from classface_assets.vision.models.converted import dlib_weights
from classface_assets.vision.models.digests import PACK_DIGESTS, WrongDigestError
from classface_assets.vision.models.download import PackError, resolve_pack_path
from classface_assets.vision.models.pack_info import describe_pack
from classface_assets.vision.models.pack_names import INSIGHTFACE_PACKS
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
        "buffalo_x": "No model pack 'buffalo_x': give one of builtin, dlib, buffalo_l, buffalo_s, antelopev2, or the",
        str(tmp_path / "none"): "No .onnx files in .*: a pack is a folder with a detector and a recognition model",
        str(broken_pack): "det.onnx is not a model that can be loaded: replace it or delete it",
        str(detector_only): "half: a pack needs a detector and a recogniser|half/det.onnx",
    }.items():
        with pytest.raises(PackError, match=message) as raised:
            load_pack(name, tmp_path, tmp_path)
        assert "\n" not in str(raised.value)


def use_proxy(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")


@pytest.fixture
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A proxy where nobody listens: no network, on every machine; and a home without packs."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        use_proxy(monkeypatch, closed.getsockname()[1])
        yield


@pytest.mark.usefixtures("no_network")
def test_a_pack_that_cannot_be_downloaded_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PackError, match=r"buffalo_s is not in .* and could not be downloaded .*: connect to the"):
        load_pack("buffalo_s", tmp_path / "packs", tmp_path)
    assert capsys.readouterr().out == "" and not (tmp_path / "packs").exists()


def test_a_download_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    def hang_up(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                server.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=hang_up, args=(server,), daemon=True).start()
        use_proxy(monkeypatch, server.getsockname()[1])
        with pytest.raises(PackError, match=r"buffalo_s is not in .* and could not be downloaded .*: connect to the"):
            load_pack("buffalo_s", tmp_path / "packs", tmp_path)
        server.shutdown(socket.SHUT_RDWR)
    assert capsys.readouterr().out == ""
    assert [path.name for path in (tmp_path / "packs").rglob("*")] == ["models"]


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "iResNet-100",
            r"antelopev2 \(iResNet-100 trained on Glint360K\) is not in .*connect to the internet, or",
        ),
        ("glint360k", r"antelopev2 \(iResNet-100 trained on Glint360K\) is not in .* or use the pack builtin"),
        ("arcface", r"buffalo_l \(ArcFace's ResNet-50 trained on WebFace600K\) is not in .* or use the pack builtin"),
        (
            "AdaFace",
            r"AdaFace come with no package: export them to .*models/adaface.onnx, and write adaface.toml",
        ),
        (
            "facenet",
            r"FaceNet come with no package: export them to .*models/facenet.onnx, and write facenet.toml",
        ),
    ],
)
def test_a_known_network_without_weights_says_within_a_second_what_to_do(
    name: str, message: str, tmp_path: Path
) -> None:
    start = time.monotonic()
    with pytest.raises(PackError, match=message) as raised:
        describe_pack(name, tmp_path / "packs")
    assert time.monotonic() - start < 1 and "\n" not in str(raised.value)


def test_known_networks_are_the_packs_that_have_them(tmp_path: Path) -> None:
    assert describe_pack("SFace", tmp_path) == describe_pack("builtin", tmp_path)
    assert describe_pack("DLIB", tmp_path).name == "dlib"
    for pack in ("antelopev2", "buffalo_l"):
        (tmp_path / "models" / pack).mkdir(parents=True)
        (tmp_path / "models" / pack / "det.onnx").write_bytes(pack.encode())
    keys = {pack: describe_pack(pack, tmp_path).key for pack in ("antelopev2", "buffalo_l")}
    assert {describe_pack(name, tmp_path).key for name in ("iresnet100", "Glint360K")} == {keys["antelopev2"]}
    assert describe_pack("ArcFace", tmp_path).key == keys["buffalo_l"]


def test_exported_weights_of_a_known_network_are_found_among_the_packs(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "adaface.onnx").write_bytes(b"weights")
    (models / "adaface.toml").write_text('channels = "BGR"')
    assert describe_pack("AdaFace", tmp_path).name == "adaface"


def test_a_folder_of_models_wins_over_a_known_name_and_any_other_folder_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dlib").mkdir()
    builtin = describe_pack("builtin", tmp_path)
    assert describe_pack("dlib", tmp_path).detector_version == builtin.detector_version
    (tmp_path / "dlib" / "det.onnx").write_bytes(b"one")
    assert describe_pack("dlib", tmp_path).detector_version != builtin.detector_version


def test_what_builtin_embedded_before_it_had_sface_are_the_vectors_of_the_pack_dlib(tmp_path: Path) -> None:
    builtin, dlib = describe_pack("builtin", tmp_path), describe_pack("dlib", tmp_path)
    assert dlib.key == "builtin@1" and builtin.former_packs == (dlib,) and builtin.key == "builtin@2"
    assert (builtin.embedder, dlib.embedder) == ("sface", "dlib")
    assert "Apache-2.0" in builtin.licence and "CC0" in dlib.licence


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


@pytest.fixture
def served_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, bytes]], None]:
    """A download as insightface makes it, of a pack with these files."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("classface_assets.vision.models.download._require_network", lambda: None)

    def serve(files: dict[str, bytes]) -> None:
        def fetch(url: str, path: str, overwrite: bool) -> None:
            assert url.endswith("/buffalo_s.zip") and overwrite
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(path, "w") as archive:
                for name, content in files.items():
                    archive.writestr(name, content)

        monkeypatch.setattr("insightface.utils.storage.download_file", fetch)

    return serve


def with_digests(monkeypatch: pytest.MonkeyPatch, **digests: str) -> None:
    """Other digests than those of InsightFace's files, which cannot be made here."""
    monkeypatch.setattr("classface_assets.vision.models.download.PACK_DIGESTS", {"buffalo_s": digests})
    monkeypatch.setattr("classface_assets.vision.models.digests.PACK_DIGESTS", {"buffalo_s": digests})


def test_a_download_of_other_files_than_were_published_is_not_used(
    tmp_path: Path, served_pack: Callable[[dict[str, bytes]], None]
) -> None:
    served_pack({"det_500m.onnx": b"somebody else's", "w600k_mbf.onnx": b"models"})
    message = r"^[^\n]* SHA-256 is [0-9a-f]{64}, not d85a87f5[^\n]* is not used: [^\n]*\.$"
    with pytest.raises(WrongDigestError, match=message):
        resolve_pack_path("buffalo_s", tmp_path / "packs")
    assert [path.name for path in (tmp_path / "packs").rglob("*")] == ["models"]


def test_a_model_that_differs_from_what_was_published_is_not_used(
    tmp_path: Path, served_pack: Callable[[dict[str, bytes]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_digests(monkeypatch, **{"det_500m.onnx": sha256(b"detector").hexdigest()})
    served_pack({"det_500m.onnx": b"detector", "w600k_mbf.onnx": b"recogniser"})
    folder = resolve_pack_path("buffalo_s", tmp_path / "packs")
    assert (folder / "w600k_mbf.onnx").read_bytes() == b"recogniser"
    (folder / "det_500m.onnx").write_bytes(b"detectoR")
    with pytest.raises(
        WrongDigestError, match=r"det_500m\.onnx is not the file that it should be .*delete .*buffalo_s"
    ):
        resolve_pack_path("buffalo_s", tmp_path / "packs")


def test_a_model_without_a_published_digest_may_not_change_after_its_download(
    tmp_path: Path, served_pack: Callable[[dict[str, bytes]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_digests(monkeypatch)
    served_pack({"det_500m.onnx": b"detector", "w600k_mbf.onnx": b"recogniser"})
    folder = resolve_pack_path("buffalo_s", tmp_path / "packs")
    sums = folder.with_name("buffalo_s.sha256")
    assert f"{sha256(b'recogniser').hexdigest()}  buffalo_s/w600k_mbf.onnx" in sums.read_text().splitlines()
    (folder / "w600k_mbf.onnx").write_bytes(b"recogniseR")
    with pytest.raises(WrongDigestError, match=r"w600k_mbf\.onnx is not the file that it should be"):
        describe_pack("buffalo_s", tmp_path / "packs")


def test_every_pack_that_can_be_downloaded_has_digests_of_its_archive_and_its_models() -> None:
    assert set(PACK_DIGESTS) == set(INSIGHTFACE_PACKS)
    for name, files in PACK_DIGESTS.items():
        assert f"{name}.zip" in files and len([file for file in files if file.endswith(".onnx")]) == 5
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in files.values())
        assert len(set(files.values())) == len(files)
