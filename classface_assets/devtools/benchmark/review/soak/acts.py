"""The acts of a soak: labels, rejections, undos and merges by the REST API, and the state that they must lead to."""

import json
import random
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from classface_assets.devtools.benchmark.review.soak.measures import Latencies
from classface_assets.store.model.decisions import Decisions

API = "/api/v1/faces"
TIMEOUT_S = 120
MAX_PEOPLE = 60


@dataclass(frozen=True)
class RestClient:
    """Sends requests with the access token, and notes how long each kind takes and what the server answered."""

    url: str
    token: str
    latencies: Latencies

    def ask(self, kind: str, method: str, path: str, body: object = None) -> Any:
        """The JSON of the answer; None where it was refused."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{API}{path}", data, headers, method=method)
        began = time.perf_counter()
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
                answer, status = json.load(response), response.status
        except urllib.error.HTTPError as error:
            with error:
                answer, status = None, error.code
        except OSError as error:
            answer, status = None, 0
            self.latencies.problems.append(f"{method} {path}: {error}")
        self.latencies.add(kind, time.perf_counter() - began)
        if status >= 500:
            self.latencies.problems.append(f"{method} {path}: status {status}")
        if answer is None:
            self.latencies.refusals[kind, status] += 1
        return answer


@dataclass
class Act:
    """A decision that the server has acknowledged: a person, and the faces or the other person it is about."""

    kind: str
    person: str
    faces: tuple[str, ...] = ()
    into: str = ""
    undone: bool = False


@dataclass
class SoakOracle:
    """Knows every acknowledged act, and by a replay of its own what the ledger must say in the end."""

    acts: list[Act] = field(default_factory=list)

    def expected(self) -> tuple[dict[str, str], dict[str, str]]:
        """Face id -> the person who it is, and person -> the one they were merged into."""
        labels: dict[str, str] = {}
        merged: dict[str, str] = {}
        for act in (act for act in self.acts if not act.undone):
            if act.kind == "label":
                labels |= dict.fromkeys(act.faces, act.person)
            elif act.kind == "merge":
                merged[act.person] = act.into
            for face in act.faces if act.kind == "reject" else ():
                if face in labels and _remaining(labels[face], merged) == _remaining(act.person, merged):
                    del labels[face]
        return {face: _remaining(person, merged) for face, person in labels.items()}, merged

    def differences(self, decisions: Decisions) -> list[str]:
        """Where a replayed ledger differs from the expected state."""
        labels, merged = self.expected()
        found = {face: label.person_id for face, label in decisions.labels.items()}
        texts = [
            f"face {face}: {found.get(face)} instead of {labels.get(face)}"
            for face in sorted(labels.keys() | found.keys())
            if found.get(face) != labels.get(face)
        ]
        into = {p.id: p.merged_into_id for p in decisions.persons.values() if p.merged_into_id}
        return texts + ([] if into == merged else [f"merges: {into} instead of {merged}"])


def _remaining(person: str, merged: dict[str, str]) -> str:
    while person in merged:
        person = merged[person]
    return person


class Archivist:
    """Decides about random faces at a rate, one act after another, until it is stopped."""

    def __init__(self, client: RestClient, faces: Sequence[str], seed: int = 0) -> None:
        self.oracle = SoakOracle()
        self._client, self._faces, self._random = client, list(faces), random.Random(seed)
        self._people: list[str] = []
        self._acts: list[tuple[float, Callable[[], None]]] = [
            (0.55, self._label),
            (0.2, self._reject),
            (0.12, self._undo),
            (0.05, self._merge),
            (0.08, self._read),
        ]

    def work(self, rate: float, stop: threading.Event) -> None:
        """Act `rate` times a second, or as fast as the server answers."""
        began, number = time.monotonic(), 0
        weights = [weight for weight, _ in self._acts]
        while not stop.wait(max(0.0, began + number / rate - time.monotonic())):
            number += 1
            if len(self._people) < 3:
                self._create()
            self._random.choices(self._acts, weights)[0][1]()

    def _create(self) -> None:
        name = f"Student {uuid.UUID(int=self._random.getrandbits(128))}"
        made = self._client.ask("create a person", "POST", "/persons", {"name": name})
        if made is not None:
            self._people.append(made["id"])

    def _label(self) -> None:
        if self._random.random() < 0.1 and len(self._people) < MAX_PEOPLE:
            self._create()
        self._decide("label", "confirm")

    def _reject(self) -> None:
        self._decide("reject", "reject")

    def _decide(self, kind: str, call: str) -> None:
        person = self._random.choice(self._people)
        faces = tuple(self._random.sample(self._faces, self._random.randint(1, 3)))
        answer = self._client.ask(kind, "POST", f"/persons/{person}/{call}", {"faceIds": faces})
        if answer is not None:
            self.oracle.acts.append(Act(kind, person, faces))

    def _undo(self) -> None:
        """Undo the newest decision."""
        last = next((act for act in reversed(self.oracle.acts) if not act.undone), None)
        newest = self._client.ask("newest decisions", "GET", "/events?pageSize=100")
        kinds = ("faces_confirmed", "faces_rejected", "person_merged")
        events = [e for e in (newest or {"items": []})["items"] if e["kind"] in kinds and not e["undone"]]
        if last is None or not events:
            return
        if self._client.ask("undo", "POST", f"/events/{events[0]['id']}/undo", {}) is not None:
            last.undone = True
            if last.kind == "merge":
                self._people.append(last.person)

    def _merge(self) -> None:
        if len(self._people) < 5:
            return
        person, into = self._random.sample(self._people, 2)
        if self._client.ask("merge", "POST", f"/persons/{person}/merge", {"intoPersonId": into}) is not None:
            self.oracle.acts.append(Act("merge", person, into=into))
            self._people.remove(person)

    def _read(self) -> None:
        person = self._random.choice(self._people)
        kind, path = self._random.choice(
            [
                ("list of groups", "/clusters?pageSize=100"),
                ("list of people", "/persons?pageSize=100"),
                ("counts", "/stats"),
                ("consistency", "/verify"),
                ("suggestions", f"/persons/{person}/suggestions"),
            ]
        )
        self._client.ask(kind, "GET", path)
