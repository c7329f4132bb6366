"""`make bench-clicks`: how many clicks it takes to name an archive, through the server as a person would.

    make bench-clicks ARCHIVES="folder" PACK=pack       a folder with photos/ and truth.csv; the chain runs first
    make bench-clicks ARCHIVES="data=truth.csv …"       finished data folders, each with the truth of its photos
    make bench-clicks … RERUN=1                         everybody is recognised again once all groups are named

The groups are looked at as the page shows them, largest first, then the single faces, clearest first. A name is one
click, so is each face that is taken out first, and so is passing over a group of people nobody knows. Only a face that
has its true name counts, of all labelled faces, found or not. The data folder is copied, and the copy is worked on.
"""

import json
import os
import shutil
import tempfile
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from classface_assets.benchmark.accuracy import finished
from classface_assets.benchmark.labelled import markdown
from classface_assets.errors import UserError
from classface_assets.identity.judged import judged_by_truth, read_truth
from classface_assets.resources import Archive, Models
from classface_assets.store.database import query

API = "/api/v1/faces"
GOAL_CLICKS, GOAL_CORRECT = 1.5, 0.95
MARKS = (0.25, 0.5, 0.75, 1.0, 1.25, GOAL_CLICKS, 2.0)
_FOUND = """
    SELECT f.id AS face_id, a.asset_id, a.path, f.bbox_x, f.bbox_y, f.bbox_w, f.bbox_h, f.cluster_id
    FROM face_instances f JOIN image_assets a ON a.asset_id = f.asset_id AND a.status = 'ok'"""


@dataclass
class Knower:
    """Somebody who knows everybody, and names them at a server. `curve`: clicks so far, and faces named truly."""

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

    def name_groups(self) -> None:
        """Every group that nobody has named, largest first, until there is none with a known face in it."""
        passed: set[str] = set()
        while groups := [c for c in self._groups() if c not in passed]:
            for cluster in groups:
                if not self._name(cluster, [face["id"] for face in self.ask(f"/clusters/{cluster}")["faces"]]):
                    passed.add(cluster)

    def name_single_faces(self) -> None:
        alone = [face for face in self._faces() if face["clusterId"].startswith("unknown_noise")]
        for face in sorted(alone, key=lambda face: -face["qualityScore"]):
            self._name(face["clusterId"], [face["id"]])

    def recognise_again(self) -> None:
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


def measure(
    data: Path, truth: Path, pack: str, work: Path, rerun: bool = False
) -> tuple[list[tuple[float, float]], int]:
    """The curve of an archive (clicks a person, share of the labelled faces that have their name), and how many people.

    Raises UserError.
    """
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        copy = Path(folder) / "data"
        shutil.copytree(data, copy, ignore=shutil.ignore_patterns("ledger.sqlite*", "albums", "photos"))
        archive = Archive(photos=str(data / "photos"), data=str(copy))
        found = query(archive.layout.database, _FOUND)
        rows = judged_by_truth(read_truth(pl.read_csv(truth, infer_schema=False), found["path"].to_list()), found)
        people = rows["person"].n_unique()
        known = dict(rows.drop_nulls("face_id").select("face_id", "person").iter_rows())
        with _served(archive, pack) as url:
            knower = Knower(url, known, found["asset_id"].unique().sort().to_list())
            knower.name_groups()
            if rerun:
                knower.recognise_again()
                knower.name_groups()
            knower.name_single_faces()
            knower.look()
    return [(clicks / people, right / rows.height) for clicks, right in knower.curve], people


@contextmanager
def _served(archive: Archive, pack: str) -> Iterator[str]:
    import uvicorn

    from classface_assets.review.app import create_app
    from classface_assets.review.serve import listen

    with listen("127.0.0.1", 0) as socket:
        server = uvicorn.Server(
            uvicorn.Config(create_app(archive, Models(pack=pack)), log_level="warning", access_log=False)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{socket.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def at(curve: Sequence[tuple[float, float]], clicks: float) -> float:
    """The share after so many clicks a person."""
    return next(right for used, right in reversed(curve) if used <= clicks)


def draw(curves: Mapping[str, Sequence[tuple[float, float]]], file: Path) -> None:
    """The curves as a picture, with the goal."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        axes.plot([clicks for clicks, _ in curve], [100 * right for _, right in curve], label=name)
    axes.plot([GOAL_CLICKS], [100 * GOAL_CORRECT], "k+", markersize=12, label="goal")
    axes.set(xlabel="clicks a person", ylabel="labelled faces with their true name, %", xlim=(0, None), ylim=(0, 100))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)


def bench(asked: Mapping[str, str], work: Path) -> None:
    """What the variables ask for. Raises UserError."""
    pack, names = asked.get("PACK") or "builtin", (asked.get("ARCHIVES") or "").split()
    if not names:
        raise UserError('Name archives with a truth.csv each: make bench-clicks ARCHIVES="folder folder".')
    curves, table = {}, []
    for number, name in enumerate(names):
        data, truth = finished(name, pack, work / str(number))
        curve, people = measure(data, truth, pack, work, bool(asked.get("RERUN")))
        shown = f"{data.name}, {people} people"
        curves[shown] = curve
        goal = next((f"{clicks:.2f}" for clicks, right in curve if right >= GOAL_CORRECT), "never")
        table.append([shown, *(f"{at(curve, mark):.3f}" for mark in MARKS), f"{curve[-1][1]:.3f}", goal])
    heads = ["archive", *(f"{mark:g} clicks a person" for mark in MARKS), "at the end", f"clicks to {GOAL_CORRECT:g}"]
    print(markdown(heads, table))
    draw(curves, work / "clicks.png")
    print(f"\n{work / 'clicks.png'}")


if __name__ == "__main__":
    try:
        bench(os.environ, Path("data/bench-clicks").absolute())
    except UserError as error:
        raise SystemExit(f"Error: {error}") from None
