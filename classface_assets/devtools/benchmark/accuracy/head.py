"""`make bench-head`: what a projection head that is trained on labels does for people it never saw, and for others.

    make bench-head ARCHIVES="a b" PACK=pack       folders with photos/ and truth.csv, or DATA=TRUTH.csv

In each archive the people of most faces are labelled, as an archivist would begin: a tenth, a fifth, half of all
people, by half of their faces each. Then everybody is assigned again, with the labels alone and with the head that was
trained on them. `in use` is what the pipeline does, which uses a head only if it passes its test; `always` is what it
would be without that test.
"""

import os
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.core.faces.face_constraints import FaceConstraints
from classface_assets.defs.identity.projection_head import unlabelled_clusters
from classface_assets.devtools.benchmark.accuracy.accuracy import ensure_data_folder
from classface_assets.devtools.benchmark.accuracy.ground_truth import (
    NEIGHBOURS,
    LabelledArchive,
    load_labelled_archive,
    markdown_table,
)
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.inputs_from_frames import EmbeddedFaces, start_years
from classface_assets.identity.pipeline import assign_identities
from classface_assets.identity.projection.network import apply_head
from classface_assets.identity.projection.settings import TrainingSettings
from classface_assets.identity.projection.thresholds import transfer_thresholds
from classface_assets.identity.projection.training import train_head
from classface_assets.identity.projection.training_faces import most_similar_in_photo, training_faces
from classface_assets.identity.settings import AssignmentSettings, settings_for

SHARES = (0.1, 0.2, 0.5)
"""Shares of the people that are labelled."""


@dataclass(frozen=True)
class Scores:
    """How an archive came out with some people labelled."""

    ageing: float
    """BCubed F of people who age and of whom nobody is labelled."""
    strangers: float
    """BCubed F of all people of whom nobody is labelled."""
    naming: float
    """Share of the other faces of labelled people that are named rightly."""
    precision: float
    """Share of the names given that are right."""


@dataclass(frozen=True)
class Comparison:
    """An archive with a head and without."""

    without: Scores
    always: Scores
    promoted: bool
    reason: str
    seconds: float
    """Of the training."""

    @property
    def in_use(self) -> Scores:
        """As the pipeline does it."""
        return self.always if self.promoted else self.without


def bench(options: Mapping[str, str], folder: Path) -> None:
    """Print the table.

    Args:
        options: ARCHIVES and PACK, as the Makefile passes them.
        folder: Where archives are run that are no finished data folders.

    Raises:
        UserError: An archive or its ground truth is missing, or a run failed.
    """
    pack, names = options.get("PACK") or "builtin", (options.get("ARCHIVES") or "").split()
    if not names:
        raise UserError('Name archives with a truth.csv each: make bench-head ARCHIVES="folder folder".')
    archives = [
        load_labelled_archive(*ensure_data_folder(name, pack, folder / str(number)), pack)
        for number, name in enumerate(names)
    ]
    print(f"\n## {Path(pack).name}: {len(archives)} archives\n")
    print(comparison_table(archives, settings_for(Path(pack).name)))


def comparison_table(archives: Sequence[LabelledArchive], settings: AssignmentSettings) -> str:
    """Means over archives, as a Markdown table, and beneath it why each head is used or not."""
    rows, reasons = [], []
    for share in SHARES:
        found = [compare(archive, settings, share) for archive in archives]
        falls = min(c.in_use.ageing - c.without.ageing for c in found)
        row = [f"{share:.0%}", f"{sum(c.promoted for c in found)} of {len(found)}"]
        for name in ("ageing", "strangers", "naming", "precision"):
            means = [
                np.mean([getattr(scores, name) for scores in column])
                for column in ([c.without for c in found], [c.in_use for c in found], [c.always for c in found])
            ]
            row.append(" / ".join(f"{mean:.4f}" for mean in means))
        rows.append([*row, f"{falls:+.4f}", f"{np.mean([c.seconds for c in found]):.1f} s"])
        reasons += [f"- {share:.0%}, archive {number}: {c.reason}" for number, c in enumerate(found)]
    heads = ["people labelled", "heads in use", "ageing F, strangers", "F, strangers", "naming", "precision of names"]
    table = markdown_table([*heads, "least change of ageing F", "training"], rows)
    return f"Without a head / in use / always:\n\n{table}\n\n" + "\n".join(reasons)


def compare(archive: LabelledArchive, settings: AssignmentSettings, share: float) -> Comparison:
    """Assign an archive with the labels of its most frequent people, without a head and with the one they train."""
    confirmed, people = label_most_frequent(archive, share)
    without = _assign(archive, archive.vectors, settings, confirmed)
    started = time.perf_counter()
    ids = archive.faces["face_id"].to_list()
    rows = np.array([row for row, face in enumerate(ids) if face in confirmed], np.int64)
    faces = training_faces(
        archive.vectors[rows],
        [confirmed[ids[row]] for row in rows],
        years=start_years(archive.faces)[rows],
        rivals=most_similar_in_photo(archive.vectors, archive.material.photos, rows),
    )
    trained = train_head(faces, TrainingSettings(), unlabelled_clusters(archive.faces, archive.vectors, without))
    seconds = time.perf_counter() - started
    scores = _scores(archive, without, confirmed, people)
    if trained.checkpoint is None:
        return Comparison(scores, scores, promoted=False, reason=trained.reason, seconds=seconds)
    vectors = apply_head(trained.checkpoint, archive.vectors)
    transferred = transfer_thresholds(settings, archive.vectors, vectors)
    always = _scores(archive, _assign(archive, vectors, transferred, confirmed), confirmed, people)
    return Comparison(scores, always, trained.promoted, trained.reason, seconds)


def label_most_frequent(archive: LabelledArchive, share: float) -> tuple[dict[str, str], set[str]]:
    """Label half of the faces of the people who have most.

    Returns:
        Face id → person of the labels, and who is labelled.
    """
    counts = archive.judged.group_by("person").len("faces").sort("faces", "person", descending=[True, False])
    people = set(counts["person"].head(round(share * counts.height)).to_list())
    confirmed: dict[str, str] = {}
    known = archive.judged.drop_nulls("face_id").filter(pl.col("person").is_in(list(people)))
    for (person,), own in known.group_by("person"):
        faces = sorted(own["face_id"], key=lambda face: zlib.crc32(face.encode()))
        confirmed |= dict.fromkeys(faces[: (len(faces) + 1) // 2], str(person))
    return confirmed, people


def _assign(
    archive: LabelledArchive, vectors: np.ndarray, settings: AssignmentSettings, confirmed: Mapping[str, str]
) -> pl.DataFrame:
    """ASSIGNMENTS of all faces."""
    same = vectors is archive.vectors
    graph = archive.graph if same else build_graph(archive.faces["face_id"], vectors, NEIGHBOURS)
    return assign_identities(EmbeddedFaces(archive.faces, vectors, graph), FaceConstraints(confirmed), settings).rows


def _scores(archive: LabelledArchive, assigned: pl.DataFrame, confirmed: Mapping[str, str], people: set[str]) -> Scores:
    clusters = assigned["cluster_id"].rank("dense").cast(pl.Int64).to_numpy()
    named = dict(assigned.select("face_id", "person_id").drop_nulls().iter_rows())
    truth = dict(archive.judged.drop_nulls("face_id").select("face_id", "person").iter_rows())
    others = [face for face, person in truth.items() if person in people and face not in confirmed]
    given = [face for face in truth if face in named and face not in confirmed]
    is_stranger = (set(archive.judged["person"]) - people).__contains__
    return Scores(
        ageing=archive.score(clusters, is_stranger, ageing=True).f,
        strangers=archive.score(clusters, is_stranger).f,
        naming=float(np.mean([named.get(face) == truth[face] for face in others])),
        precision=float(np.mean([named[face] == truth[face] for face in given])) if given else 1.0,
    )


if __name__ == "__main__":
    try:
        bench(os.environ, Path("data/bench-head").absolute())
    except UserError as error:
        raise SystemExit(f"bench-head: {error}") from None
