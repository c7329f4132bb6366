"""The embedding of faces, in batches: each is written as a part as soon as it is done."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.batches.packs import load_shared_pack
from classface_assets.store.files.parts import PartDataset, part_name
from classface_assets.vision.embedding import BATCH_SIZES, EmbeddingBatch, embed_faces, parallel_batches


@dataclass(frozen=True)
class EmbeddedPart:
    """What was embedded.

    Attributes:
        faces: Number of vectors.
        undecoded: Ids of the faces whose chip could not be decoded.
        device: Where the embedder ran.
    """

    faces: int
    undecoded: Sequence[str] = field(default_factory=tuple)
    device: str = ""


@dataclass(frozen=True)
class FaceEmbedding:
    """How the chips of faces become vectors.

    Attributes:
        layout: The archive.
        pack: Name of the model pack.
        found: The detections, which have the chips.
        parts: Where the vectors go.
        batch: Faces that the model sees at once; 0: as the device likes it.
        batches_at_once: Batches embedded in parallel in one process; 0: as the machine allows.
    """

    layout: ArchiveLayout
    pack: str
    found: PartDataset
    parts: PartDataset
    batch: int = 0
    batches_at_once: int = 0

    def in_layout(self, layout: ArchiveLayout) -> "FaceEmbedding":
        """See BatchTask."""
        return replace(self, layout=layout)

    def process(self, items: Sequence[str], a_part: int) -> Iterator[EmbeddedPart]:
        """Embed the faces of these ids; see BatchTask. The next batches are embedded while a part is written."""
        pack = load_shared_pack(self.pack, self.layout.packs, self.layout.cache)
        size = self.batch or BATCH_SIZES[pack.device]
        at_once = self.batches_at_once or parallel_batches(pack.device)
        # A few faces are read by the row groups that hold them, many in one pass over all.
        few = len(items) <= a_part
        chips = [self.found.read_matching("face_id", items, ["face_id", "chip"])] if few else self._all_chips(items)
        batches = embed_faces((rows for rows in chips if rows.height), pack.embedder, size, at_once)
        for part in merge_batches(batches, a_part):
            self.parts.append(part.rows, name=part_name([*part.rows["face_id"], *part.undecoded]))
            yield EmbeddedPart(part.rows.height, part.undecoded, pack.device)

    def _all_chips(self, items: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The face ids and chips of these faces, a bounded frame at a time."""
        ids = pl.DataFrame({"face_id": items}, schema={"face_id": pl.String})
        for rows in self.found.scan(["face_id", "chip"]):
            yield rows.join(ids, on="face_id", how="semi", maintain_order="left")


def stored_order(found: PartDataset, faces: set[str]) -> list[str]:
    """These faces in the order in which they lie in the parts, so that a batch of them is read from few places."""
    return [one for rows in found.scan(["face_id"]) for one in rows["face_id"] if one in faces]


def merge_batches(batches: Iterable[EmbeddingBatch], min_faces: int) -> Iterator[EmbeddingBatch]:
    """The same vectors in larger batches, of at least that number of faces except the last."""
    waiting: list[EmbeddingBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(one.rows.height for one in waiting) >= min_faces:
            yield concat_batches(waiting)
            waiting = []
    if waiting:
        yield concat_batches(waiting)


def concat_batches(batches: list[EmbeddingBatch]) -> EmbeddingBatch:
    """Several batches as one."""
    return EmbeddingBatch(pl.concat([one.rows for one in batches]), [name for one in batches for name in one.undecoded])
