"""Who a face is by the archive's labelled faces, and what a cluster falls apart into: the pipeline's own functions."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from classface_assets.core.school_years.names import first_year
from classface_assets.identity.clustering.splitting import SplitError, split_into_people
from classface_assets.identity.graph.build import build_graph
from classface_assets.identity.inputs import ClusteringInput
from classface_assets.identity.matching.single_faces import LabelledFaces, match_single_faces
from classface_assets.identity.sampling import stable_sample
from classface_assets.identity.settings import AssignmentSettings
from classface_assets.review.faces.similar_faces import FaceSimilarity

MAX_NEIGHBOURS = 100
Strategy = Literal["prototype", "centroid", "vote", "knn"]


@dataclass(frozen=True)
class IdentitySuggestion:
    """The likest person of a face, None where nobody is near enough; how many faces or prototypes say so."""

    person_id: str | None
    similarity: float
    votes: int


def suggest_identity(
    likeness: FaceSimilarity,
    face_id: str,
    settings: AssignmentSettings,
    strategy: Strategy,
    k: int,
    least: float,
    vote: bool,
) -> IdentitySuggestion:
    """Who a face is, by labels and portraits, as if nobody had said it yet.

    Who is in its photo already, or was rejected, it is not.
    """
    view, said = likeness.view, likeness.view.said
    labelled = likeness.with_rows(view.faces.filter(pl.col("confirmed"), pl.col("face_id") != face_id))
    face = likeness.with_rows(view.pick([face_id]))
    portraits = likeness.portraits()
    if not face.height or not (labelled.height or portraits):
        return IdentitySuggestion(None, 0.0, 0)
    people = sorted({*labelled["person_id"], *portraits})
    years = start_years(pl.concat([face, labelled]))
    known = LabelledFaces(
        vectors=np.concatenate([likeness.vectors_of(labelled), *(vector[None] for vector in portraits.values())]),
        owners=np.searchsorted(people, [*labelled["person_id"], *portraits]),
        years=np.append(years[1:], np.full(len(portraits), np.nan)),
        quality=np.append(labelled["quality_score"].fill_null(0.0).to_numpy(), np.ones(len(portraits))),
        people=len(people),
    )
    here = labelled.filter(pl.col("asset_id") == face["asset_id"][0])["person_id"].to_list()
    here = [] if face["asset_id"][0] in said.collages else here
    never = {person for rejected, person in said.rejected if rejected == face_id} | set(here)
    forbidden = np.array([(0, people.index(person)) for person in never if person in people], np.int64).reshape(-1, 2)
    asked = replace(
        settings, assign=strategy, knn_neighbours=k, similarity_threshold=least, person_threshold=least, use_voting=vote
    )
    found = match_single_faces(likeness.vectors_of(face), years[:1], known, asked, forbidden)
    person = int(found.persons[0])
    return IdentitySuggestion(None if person < 0 else people[person], float(found.similarities[0]), int(found.votes[0]))


def find_subclusters(
    likeness: FaceSimilarity, faces: pl.DataFrame, least: int, settings: AssignmentSettings
) -> list[list[str]]:
    """The face ids of the groups of `least` faces or more that a cluster falls apart into, largest first; or none."""
    table = likeness.with_rows(faces.sort("face_id"))
    if table.height < 2 * least:
        return []
    vectors = likeness.vectors_of(table)
    pairs, similarities = build_graph(table["face_id"], vectors, min(MAX_NEIGHBOURS, table.height - 1)).pairs()
    material = ClusteringInput(
        vectors,
        start_years(table),
        table["asset_id"].rank("dense").to_numpy().astype(np.int64),
        table["quality_score"].fill_null(0.0).to_numpy(),
        pairs,
        similarities,
        sample=stable_sample(likeness.known.vectors),
    )
    try:
        labels = split_into_people(material, least, settings)
    except SplitError:
        return []
    return [table["face_id"].filter(pl.Series(labels == group)).to_list() for group in range(labels.max() + 1)]


def start_years(faces: pl.DataFrame) -> np.ndarray:
    """The first year of each face's school year, NaN where its folder names none."""
    names = faces["school_year"].unique().to_list()
    starts = {name: first_year(name) for name in names}
    years = faces["school_year"].replace_strict(starts, return_dtype=pl.Float64)
    return years.fill_null(float("nan")).to_numpy()
