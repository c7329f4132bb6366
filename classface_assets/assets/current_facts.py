"""The facts of an archive as several assets and their checks look at them, one after the other, in one process."""

import functools

from classface_assets.resources import Archive, Models
from classface_assets.store.facts import Facts, gather
from classface_assets.store.layout import Layout
from classface_assets.store.stamps import facts_digest


def current_facts(archive: Archive, models: Models) -> Facts:
    """All files, faces and vectors of the model pack in use."""
    pack = models.describe(archive.layout)
    parts = facts_digest(archive.layout, pack.detector_version, pack.key)
    return _gathered(archive.layout, pack.detector_version, pack.key, parts)


@functools.lru_cache(maxsize=1)
def _gathered(layout: Layout, detector: str, pack: str, parts: str) -> Facts:  # noqa: ARG001 - other parts, other facts
    """Five assets and their checks look at the same facts, one after the other."""
    return gather(layout, detector, pack)


def forget_facts() -> None:
    """Free the memory that the facts take, when the last that looks at them is done."""
    _gathered.cache_clear()
