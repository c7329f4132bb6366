"""An oracle labeller: it knows the ground truth, and labels faces at a review server as a person would."""

import json
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

API = "/api/v1/faces"


@dataclass
class OracleLabeller:
    """Labels the faces of an archive by its ground truth, and counts the clicks.

    Attributes:
        url: The address of the server.
        truth: Face id → the person whom it shows.
        photos: Asset ids of all photos.
        clicks: How many clicks it took so far.
        names: Face id → the name that it has now.
        curve: (clicks, faces with their true name) after each step.
    """

    url: str
    truth: Mapping[str, str]
    photos: Sequence[str]
    clicks: int = 0
    names: dict[str, str] = field(default_factory=dict)
    curve: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])

    def request(self, path: str, body: object = None) -> Any:
        """The server's answer to a GET, or with a body to a POST."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{API}{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def label_clusters(self) -> None:
        """Label every unnamed cluster, largest first, until none with a known face is left."""
        skipped: set[str] = set()
        while clusters := [c for c in self._unknown_clusters() if c not in skipped]:
            for cluster in clusters:
                if not self._label(cluster, [face["id"] for face in self.request(f"/clusters/{cluster}")["faces"]]):
                    skipped.add(cluster)

    def label_single_faces(self) -> None:
        """Label the faces that are in no cluster, clearest first."""
        single = [face for face in self._faces() if face["clusterId"].startswith("unknown_noise")]
        for face in sorted(single, key=lambda face: -face["qualityScore"]):
            self._label(face["clusterId"], [face["id"]])

    def rerun_recognition(self) -> None:
        """Match all faces again; the names that the run gives count, right or wrong."""
        self.request("/cluster/dual", {})
        self.count_shown_names()

    def count_shown_names(self) -> None:
        """Count the names that the server shows, from labels and matches alike."""
        self.names = {face["id"]: face["personName"] for face in self._faces() if face["personName"]}
        self._count_clicks(0)

    def _unknown_clusters(self) -> list[str]:
        found: list[str] = []
        while True:
            page = self.request(f"/clusters?sort=size&pageSize=100&page={len(found) // 100 + 1}")
            found += [cluster["clusterId"] for cluster in page["items"]]
            if len(found) >= page["total"] or not page["items"]:
                return found

    def _faces(self) -> Iterator[dict[str, Any]]:
        for photo in self.photos:
            yield from self.request(f"/assets/{photo}")["faces"]

    def _label(self, cluster: str, faces: list[str]) -> bool:
        """Label a cluster with the person whom most of its faces show; False where none of them is known."""
        known = Counter(self.truth[face] for face in faces if face in self.truth)
        if not known:
            self._count_clicks(1)
            return False
        name = known.most_common(1)[0][0]
        theirs = [face for face in faces if self.truth.get(face) == name]
        others = [face for face in faces if self.truth.get(face) != name]
        person = self.request(f"/clusters/{cluster}/label", {"name": name, "faceIds": theirs})["personId"]
        if others:
            self.request(f"/persons/{person}/reject", {"faceIds": others})
        self.names |= dict.fromkeys(theirs, name)
        self._count_clicks(1 + len(others))
        return True

    def _count_clicks(self, clicks: int) -> None:
        """Add a point to the curve."""
        self.clicks += clicks
        self.curve.append((self.clicks, sum(self.truth.get(face) == name for face, name in self.names.items())))
