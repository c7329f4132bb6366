"""Finds a pack's files, and downloads InsightFace's own packs on first use."""

import contextlib
import socket
import tempfile
import threading
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from classface_assets.core.errors import UserError, did_you_mean
from classface_assets.core.languages import sentence
from classface_assets.vision.models.digests import (
    PACK_DIGESTS,
    WrongDigestError,
    record_digests,
    require_digest,
    require_digests,
)
from classface_assets.vision.models.onnx_session import onnxruntime_module
from classface_assets.vision.models.pack_names import (
    INSIGHTFACE_PACKS,
    OWN_WEIGHTS,
    PACK_NAMES,
    canonical_name,
    is_pack_path,
    known_network,
    plain_name,
)
from classface_assets.vision.models.scrfd import suppress_stdout

REACH_TIMEOUT_S = 0.9
DOWNLOAD_SITE = "https://github.com"


class PackError(UserError):
    """A model pack that cannot be used; the message says what is wrong and what to do."""


def resolve_pack_path(name: str, packs_dir: Path) -> Path:
    """The folder with a pack's ONNX files, or the single .onnx file of a pack.

    Args:
        name: One of INSIGHTFACE_PACKS, which is downloaded if it is missing; a name of KNOWN_NAMES or OWN_WEIGHTS; or a
            path.
        packs_dir: Where packs are stored, in `models/`.

    Raises:
        PackError: There is no such pack, or it cannot be downloaded.
        WrongDigestError: A file of one of INSIGHTFACE_PACKS is not the one that was published.
    """
    canonical = canonical_name(name)
    if canonical not in INSIGHTFACE_PACKS:
        return _own_pack(name, packs_dir)
    for root in (packs_dir, Path.home() / ".insightface"):
        if (root / "models" / canonical).is_dir():
            return _checked_pack(canonical, root / "models" / canonical)
    return _checked_pack(canonical, _download_pack(canonical, packs_dir, known_network(name)))


def _own_pack(name: str, packs_dir: Path) -> Path:
    """A pack whose files people have put somewhere: at a path, or in `packs_dir` under the network's known name."""
    path = Path(name).expanduser()
    if path.is_dir() or is_pack_path(path):
        return path
    network = OWN_WEIGHTS.get(plain_name(name))
    if network is None:
        raise PackError(
            f"No model pack {name!r}: give one of {', '.join(PACK_NAMES)}, or the path of a folder with ONNX files or "
            f"of an .onnx file.{did_you_mean(canonical_name(name), PACK_NAMES)}"
        )
    places = [packs_dir / "models" / f"{plain_name(name)}{suffix}" for suffix in ("", ".onnx")]
    found = next((place for place in places if is_pack_path(place)), None)
    if found is None:
        raise PackError(
            sentence(
                "The weights of %(network)s come with no package: export them to %(file)s, and write %(description)s "
                "beside it with %(keys)s, or use the pack builtin.",
                network=network.title,
                file=places[1],
                description=places[1].with_suffix(".toml").name,
                keys=network.description,
            )
        )
    return found


def _checked_pack(name: str, folder: Path) -> Path:
    require_digests(name, folder)
    return _unnest(folder)


def _unnest(folder: Path) -> Path:
    """The pack's folder: the archive of antelopev2 holds one of that name, which insightface unpacks into another."""
    inner = folder / folder.name
    return inner if inner.is_dir() and not any(folder.glob("*.onnx")) else folder


def _download_pack(name: str, packs_dir: Path, network: str = "") -> Path:
    """Downloads with insightface, into a folder that gets its name only when it is complete."""
    target = packs_dir / "models" / name
    try:
        _require_network()
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress_stdout(), tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as root:
            onnxruntime_module()
            from insightface.utils.storage import ensure_available

            fetched = Path(ensure_available("models", name, root=root))
            archive = fetched.with_name(f"{name}.zip")
            if archive.exists():
                require_digest(archive, PACK_DIGESTS[name].get(archive.name), target)
            require_digests(name, fetched)
            if not target.is_dir():
                record_digests(fetched, target)
                fetched.replace(target)
    except WrongDigestError:
        raise
    except Exception as error:
        raise PackError(
            sentence(
                "The model pack %(pack)s is not in %(folder)s and could not be downloaded (%(why)s): connect to the "
                "internet, or unpack %(name)s.zip of InsightFace's releases there, or use the pack builtin.",
                pack=name + network,
                folder=target,
                why=type(error).__name__,
                name=name,
            )
        ) from error
    return target


def _require_network() -> None:
    """Raises ConnectionError within a second where the site of the downloads, or the proxy to it, does not answer.

    Without this a machine without a network waits for its resolver, or for a firewall that drops packets, for minutes.
    """
    reached = threading.Event()

    def connect() -> None:
        proxy = urllib.request.getproxies().get("https", "")
        is_direct = not proxy or urllib.request.proxy_bypass("github.com")
        url = urlsplit(DOWNLOAD_SITE if is_direct else proxy if "://" in proxy else f"http://{proxy}")
        port = url.port or (443 if url.scheme == "https" else 80)
        with contextlib.suppress(OSError), socket.create_connection((url.hostname, port), REACH_TIMEOUT_S):
            reached.set()
        done.set()

    done = threading.Event()
    threading.Thread(target=connect, daemon=True).start()  # a resolver's answer cannot be waited for with a limit
    done.wait(REACH_TIMEOUT_S)
    if not reached.is_set():
        raise ConnectionError(f"{DOWNLOAD_SITE} does not answer")
