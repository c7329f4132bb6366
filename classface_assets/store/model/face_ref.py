"""A face as the ledger stores it: its id, and where it lies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from classface_assets.core.geometry import Box


@dataclass(frozen=True)
class FaceRef:
    """The id of a face, and the photo and box by which it is found when a detector or the photo's file changes."""

    face_id: str
    asset_id: str
    box: Box

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> "FaceRef":
        """The face of an event's payload."""
        return cls(payload["face_id"], payload["asset_id"], tuple(payload["box"]))

    def payload(self) -> dict[str, Any]:
        """The face as events store it."""
        return {"face_id": self.face_id, "asset_id": self.asset_id, "box": list(self.box)}
