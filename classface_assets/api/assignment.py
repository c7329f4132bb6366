"""Assignment service: who a face is by labelled faces, as the review server and the assets decide it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from classface_assets.api.arrays import ArrayError, as_unit_vectors, one_each
from classface_assets.api.clustering import settings_with
from classface_assets.api.embedding import EmbeddingService, Image

if TYPE_CHECKING:
    from classface_assets.api.archive import Archive

Strategy = Literal["knn", "prototype", "centroid", "vote"]


@dataclass(frozen=True)
class Assignment:
    """Who a face is.

    Attributes:
        person: the name or id that the labelled faces were given; None where nobody is similar enough.
        similarity: of that person, or of the most similar one that is not similar enough; years apart count less.
        votes: how many labelled faces or prototypes support the person.
    """

    person: str | None
    similarity: float
    votes: int


class AssignmentService:
    """Assigns faces to the people of labelled faces.

    Args:
        embeddings: (n, d), the labelled faces.
        people: the name or id of each face's person.
        years: the first calendar year of each face's school year, None or NaN where it is unknown.
        quality: 0 to 1, default 1; the best faces of a person and year are its prototypes.
        pack: the model pack that the embeddings are of; it decides the thresholds, and embeds images.
        **settings: other thresholds by their run-config keys, as `person_exemplars=5`.

    Raises:
        ArrayError: arrays that do not belong together.

    Example:
        >>> import numpy as np
        >>> from classface_assets.api import AssignmentService
        >>> labelled = np.array([[1.0, 0.0, 0.1], [1.0, 0.1, 0.0], [0.0, 1.0, 0.0]])
        >>> service = AssignmentService(labelled, ["Anna", "Anna", "Ben"], pack="arcface")
        >>> found = service.assign_crop(np.array([1.0, 0.05, 0.05]), k=2, threshold=0.6)
        >>> found.person, found.votes
        ('Anna', 2)
        >>> service.assign_crop(np.array([0.0, 0.0, 1.0])).person is None
        True
    """

    def __init__(
        self,
        embeddings: np.ndarray | Sequence[np.ndarray],
        people: Sequence[str],
        *,
        years: Sequence[float | None] | np.ndarray | None = None,
        quality: Sequence[float | None] | np.ndarray | None = None,
        pack: str = "builtin",
        **settings: Any,
    ) -> None:
        from classface_assets.identity.matching.single_faces import LabelledFaces

        vectors = as_unit_vectors(embeddings) if len(embeddings) else np.zeros((0, 0), np.float32)
        if len(people) != len(vectors):
            raise ArrayError(f"There are {len(vectors)} embeddings but {len(people)} people: give one per face.")
        self.settings = settings_with(pack, "temporal", settings)
        self.people = sorted(set(people))
        number = {person: place for place, person in enumerate(self.people)}
        self.labelled = LabelledFaces(
            vectors=vectors,
            owners=np.array([number[person] for person in people], np.int64),
            years=one_each("years", years, len(vectors), np.nan),
            quality=one_each("quality values", quality, len(vectors), 1.0),
            people=len(self.people),
        )
        self._embedding = EmbeddingService(pack)

    @classmethod
    def from_archive(cls, archive: "Archive", **settings: Any) -> "AssignmentService":
        """Use the confirmed faces of an archive; people are their ids.

        Args:
            archive: an archive that was run.
            **settings: as for the class.

        Example:
            >>> from classface_assets.api import Archive, AssignmentService
            >>> archive = Archive("data")
            >>> _ = archive.label("Anna", archive.clusters()["cluster_id"][0])
            >>> service = AssignmentService.from_archive(archive)
            >>> len(service.people)
            1
        """
        faces = archive.faces().filter("confirmed").join(archive.embeddings(), on="face_id", maintain_order="left")
        return cls(
            np.asarray(faces["vector"].to_numpy()) if faces.height else [],
            faces["person_id"].to_list(),
            years=faces["year"].to_list(),
            quality=faces["quality_score"].fill_null(0.0).to_list(),
            pack=archive.pack,
            **settings,
        )

    def assign_crop(
        self,
        face: Image,
        *,
        k: int = 5,
        threshold: float | None = None,
        strategy: Strategy = "knn",
        use_voting: bool = True,
        year: float | None = None,
    ) -> Assignment:
        """Find who a face is.

        Args:
            face: an embedding (d,), or an image, whose largest face is embedded.
            k: how many of the most similar labelled faces are asked (`knn`).
            threshold: least similarity, -1 to 1; by default that of the pack.
            strategy: `knn` (nearest labelled faces), `prototype` (nearest prototype), `centroid` (nearest mean of a
                year), or `vote` (of all prototypes above the threshold).
            use_voting: whether the k faces vote, or the nearest one decides (`knn`).
            year: the first calendar year of the face's school year, if it is known.

        Raises:
            ArrayError: the embedding has another length than the labelled ones.
            NoFaceError: the image has no face.
        """
        is_embedding = isinstance(face, np.ndarray) and face.ndim == 1
        embedding = np.asarray(face) if is_embedding else self._embedding.generate_embedding(face)
        return self.assign_crops(
            embedding[None], k=k, threshold=threshold, strategy=strategy, use_voting=use_voting, years=[year]
        )[0]

    def assign_crops(
        self,
        embeddings: np.ndarray | Sequence[np.ndarray],
        *,
        k: int = 5,
        threshold: float | None = None,
        strategy: Strategy = "knn",
        use_voting: bool = True,
        years: Sequence[float | None] | None = None,
    ) -> list[Assignment]:
        """Find who each of m faces is, each by itself. Arguments as for `assign_crop`, embeddings (m, d)."""
        from classface_assets.identity.matching.single_faces import match_single_faces

        vectors = as_unit_vectors(embeddings)
        if not self.people:
            return [Assignment(None, 0.0, 0)] * len(vectors)
        if vectors.shape[1] != self.labelled.vectors.shape[1]:
            raise ArrayError(
                f"A face of {vectors.shape[1]} numbers cannot be compared with labelled ones of "
                f"{self.labelled.vectors.shape[1]}: embed both with one model pack."
            )
        least = self.settings.person_threshold if threshold is None else threshold
        settings = replace(
            self.settings,
            assign=strategy,
            knn_neighbours=k,
            similarity_threshold=least,
            person_threshold=least,
            use_voting=use_voting,
        )
        found = match_single_faces(vectors, one_each("years", years, len(vectors), np.nan), self.labelled, settings)
        rows = zip(found.persons.tolist(), found.similarities.tolist(), found.votes.tolist(), strict=True)
        return [Assignment(None if p < 0 else self.people[p], similarity, votes) for p, similarity, votes in rows]
