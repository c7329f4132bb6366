"""The kinds of embedders whose similarities have a scale of their own, and which kind a pack of some name has."""

from enum import StrEnum


class EmbedderKind(StrEnum):
    """Networks whose vectors are compared by thresholds measured for them."""

    SFACE = "sface"
    DLIB = "dlib"
    ARCFACE = "arcface"
    """ArcFace, AdaFace, MobileFaceNet and whatever else was trained with a margin between angles."""


def embedder_kind(pack_or_embedder: str) -> EmbedderKind:
    """The kind of embedder that a pack has, by the pack's name or the embedder's.

    An unknown name counts as ArcFace-like.

    >>> [embedder_kind(name).value for name in ("builtin", "dlib", "buffalo_l")]
    ['sface', 'dlib', 'arcface']
    """
    name = pack_or_embedder.lower()
    if "dlib" in name:
        return EmbedderKind.DLIB
    return EmbedderKind.SFACE if name == "builtin" or "sface" in name else EmbedderKind.ARCFACE
