"""The model pack of a process: it takes seconds to load, so all work of one process shares it."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from classface_assets.vision.models.pack_names import BUILTIN, DLIB, canonical_name
from classface_assets.vision.models.registry import ModelPack, load_pack

_loading = threading.Lock()


def load_shared_pack(pack: str, packs: Path, cache: Path) -> ModelPack:
    """As `load_pack`, once in a process: who comes while it is loaded waits for it."""
    with _loading:
        return _load_once(pack, packs, cache)


@contextmanager
def loading_ahead(pack: str, packs: Path, cache: Path) -> Iterator[None]:
    """A context that will need a pack, which a thread loads from its beginning on.

    What goes wrong is left to who needs the pack, and loads it once more. Other packs than the program's own redirect
    what is printed while they are loaded, and so are left to them too.

    Args:
        pack: As in `load_pack`.
        packs: As in `load_pack`.
        cache: As in `load_pack`.
    """
    if canonical_name(pack) not in (BUILTIN, DLIB):
        yield
        return

    def load() -> None:
        with suppress(Exception):
            load_shared_pack(pack, packs, cache)

    thread = threading.Thread(target=load, name=f"loading {pack}")
    thread.start()
    try:
        yield
    finally:
        thread.join()


@functools.lru_cache(maxsize=2)
def _load_once(pack: str, packs: Path, cache: Path) -> ModelPack:
    return load_pack(pack, packs, cache)
