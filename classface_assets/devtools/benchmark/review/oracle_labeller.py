"""Somebody who knows everybody, and names them at a server as a person would, click by click."""

import json
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

API = "/api/v1/faces"


@dataclass
class OracleLabeller:
    """`truth`: who each face shows; `photos`: all photos. `curve`: clicks so far, and faces named truly."""

    url: str
    truth: Mapping[str, str]
    photos: Sequence[str]
    clicks: int = 0
    said: dict[str, str] = field(default_factory=dict)
    curve: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])

    def ask(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{API}{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def label_clusters(self) -> None:
        """Every group that nobody has named, largest first, until there is none with a known face in it."""
        passed: set[str] = set()
        while groups := [c for c in self._groups() if c not in passed]:
            for cluster in groups:
                if not self._name(cluster, [face["id"] for face in self.ask(f"/clusters/{cluster}")["faces"]]):
                    passed.add(cluster)

    def label_single_faces(self) -> None:
        alone = [face for face in self._faces() if face["clusterId"].startswith("unknown_noise")]
        for face in sorted(alone, key=lambda face: -face["qualityScore"]):
            self._name(face["clusterId"], [face["id"]])

    def rerun_recognition(self) -> None:
        """A run with all the names; what it names counts, right or wrong."""
        self.ask("/cluster/dual", {})
        self.look()

    def look(self) -> None:
        """From now on what the server shows counts."""
        self.said = {face["id"]: face["personName"] for face in self._faces() if face["personName"]}
        self._note(0)

    def _groups(self) -> list[str]:
        found: list[str] = []
        while True:
            page = self.ask(f"/clusters?sort=size&pageSize=100&page={len(found) // 100 + 1}")
            found += [cluster["clusterId"] for cluster in page["items"]]
            if len(found) >= page["total"] or not page["items"]:
                return found

    def _faces(self) -> Iterator[dict[str, Any]]:
        for photo in self.photos:
            yield from self.ask(f"/assets/{photo}")["faces"]

    def _name(self, cluster: str, faces: list[str]) -> bool:
        """Name a group after whom most of its faces show; False: nobody known is in it."""
        known = Counter(self.truth[face] for face in faces if face in self.truth)
        if not known:
            self._note(1)
            return False
        name = known.most_common(1)[0][0]
        kept = [face for face in faces if self.truth.get(face) == name]
        out = [face for face in faces if self.truth.get(face) != name]
        person = self.ask(f"/clusters/{cluster}/label", {"name": name, "faceIds": kept})["personId"]
        if out:
            self.ask(f"/persons/{person}/reject", {"faceIds": out})
        self.said |= dict.fromkeys(kept, name)
        self._note(1 + len(out))
        return True

    def _note(self, clicks: int) -> None:
        self.clicks += clicks
        self.curve.append((self.clicks, sum(self.truth.get(face) == name for face, name in self.said.items())))
