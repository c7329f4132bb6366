"""The Python API: embedding, clustering and assignment of faces, and an archive's tables and decisions.

Importing it is light; models and the packages of numbers are imported when they are first used.
"""

from classface_assets.api.archive import Archive, LabelResult, UnknownFaceError
from classface_assets.api.arrays import ArrayError
from classface_assets.api.assignment import Assignment, AssignmentService
from classface_assets.api.clustering import ClusteringService, Clusters, Constraints
from classface_assets.api.embedding import EmbeddingService, Face, ImageError, Match, NoFaceError

__all__ = [
    "Archive",
    "ArrayError",
    "Assignment",
    "AssignmentService",
    "ClusteringService",
    "Clusters",
    "Constraints",
    "EmbeddingService",
    "Face",
    "ImageError",
    "LabelResult",
    "Match",
    "NoFaceError",
    "UnknownFaceError",
]
