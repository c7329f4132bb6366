"""A small archive that somebody uses in any order, and what must be true of it: the model that test_promises holds the
program to. The model knows shots and the faces in them; it knows nothing of ids, hashes or vectors.
"""

import csv
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
from PIL import Image, ImageEnhance

from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.erasure import erase_person, find_person_to_erase
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.ledger.transaction import LedgerError
from classface_assets.store.model.events import Event, undone_event_ids
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.support.direct_runs import run_assets

YEARS = ("2018-2019", "2019-2020")
NAMES = ("Ada Quill", "Ben Roth", "Cem Sahin", "Dora Tal")
LOOKS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "original": lambda picture: picture,
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.2),
    "smaller": lambda picture: picture.resize((picture.width * 3 // 4, picture.height * 3 // 4)),
}
Seat = tuple[str, int]
"""A face of a shot: the shot's name and the number of the face in it."""


@dataclass(frozen=True)
class Version:
    """A shot as a file holds it: on its head or not, and with which look."""

    shot: str
    look: str = "original"
    on_its_head: bool = False

    @property
    def name(self) -> str:
        return f"{self.shot}-{self.look}{'-turned' if self.on_its_head else ''}.jpg"


def versions_of(shot: str) -> list[Version]:
    return [Version(shot, look, head) for look in LOOKS for head in (False, True)]


@dataclass(frozen=True)
class Prepared:
    """Every version of every shot as a file, the middles of its faces (x, y) by parts of the upright picture, which of
    these are found in which version, and a data folder in which all of them were searched."""

    folder: Path
    middles: dict[str, list[tuple[float, float]]]
    found: dict[str, list[int]]


def prepare(sample: SampleArchive, folder: Path) -> Prepared:
    """Make the versions of a few shots of the sample, and search them all once."""
    shots = _shots(sample)
    middles: dict[str, list[tuple[float, float]]] = {}
    photos = folder / "photos"
    for year in YEARS:
        (photos / year).mkdir(parents=True)
    for shot, (file, boxes) in shots.items():
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
        width, height = picture.size
        middles[shot] = [((x + w / 2) / width, (y + h / 2) / height) for x, y, w, h in boxes]
        for version in versions_of(shot):
            made = LOOKS[version.look](picture)
            made = made.rotate(180) if version.on_its_head else made
            made.save(photos / YEARS[0] / version.name, quality=88)
            shutil.copyfile(photos / YEARS[0] / version.name, photos / YEARS[1] / version.name)
    archive = Archive(photos=str(photos), data=str(folder / "data"))
    run_assets(archive, Models(pack="builtin"))
    versions = {v.name: v for shot in shots for v in versions_of(shot)}
    seats = seats_of(archive, middles, lambda path: versions[path.rsplit("/", 1)[1]])
    found = {path.rsplit("/", 1)[1]: sorted(set(faces.values())) for path, faces in seats.items()}
    _start(folder, list(shots))
    return Prepared(folder, middles, found)


def _start(folder: Path, shots: Sequence[str]) -> None:
    """A finished archive with one original a shot, whose parts know every other version too."""
    start = folder / "start"
    for number, shot in enumerate(shots):
        file = start / "photos" / YEARS[number % 2] / Version(shot).name
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / "photos" / YEARS[0] / file.name, file)
    shutil.copytree(folder / "data" / "parts", start / "data" / "parts", ignore=lambda *_: ["images"])
    shutil.copytree(folder / "data" / "cache", start / "data" / "cache")
    run_assets(Archive(photos=str(start / "photos"), data=str(start / "data")), Models(pack="builtin"))


def _shots(sample: SampleArchive) -> dict[str, tuple[Path, list[tuple[float, ...]]]]:
    """Portraits of five people and one photo of all: name → file and boxes."""
    with sample.truth.open() as file:
        rows = [row for row in csv.DictReader(file) if row["school_year"] == YEARS[0]]
    by_path: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_path.setdefault(row["path"], []).append(row)
    portraits = {r[0]["person"]: path for path, r in by_path.items() if r[0]["kind"] == "portrait"}
    chosen = [*list(portraits.values())[:5], next(p for p, r in by_path.items() if r[0]["kind"] == "class")]
    return {
        f"shot{number}": (sample.photos / path, [tuple(float(row[k]) for k in "xywh") for row in by_path[path]])
        for number, path in enumerate(chosen)
    }


def seats_of(
    archive: Archive, middles: dict[str, list[tuple[float, float]]], version_of: Callable[[str], Version]
) -> dict[str, dict[str, int]]:
    """Path → face id → the number of the face, of every face that is published now."""
    rows = query_database(
        archive.layout.database,
        "SELECT a.path, a.width, a.height, a.rotation, f.id, bbox_x + bbox_w / 2 AS x, bbox_y + bbox_h / 2 AS y "
        "FROM face_instances f JOIN image_assets a ON a.asset_id = f.asset_id AND a.status IN ('ok', 'duplicate')",
    )
    seats: dict[str, dict[str, int]] = {}
    for path, width, height, rotation, face_id, x, y in rows.iter_rows():
        version, at = version_of(path), (x / width, y / height)
        at = (1 - at[0], 1 - at[1]) if version.on_its_head and rotation != 180 else at
        near = [abs(at[0] - mx) + abs(at[1] - my) for mx, my in middles[version.shot]]
        if min(near) < 0.05:
            seats.setdefault(path, {})[face_id] = near.index(min(near))
    return seats


@dataclass
class Truth:
    """What must hold by all that was said and not taken back: whose each seat is, who is erased, who is refused."""

    owner: dict[Seat, str] = field(default_factory=dict)
    rejected: set[tuple[Seat, str]] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    refused: dict[str, set[int]] = field(default_factory=dict)
    roster_no: set[str] = field(default_factory=set)
    erased_seats: set[Seat] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)

    def now(self, person: str) -> str:
        while person in self.merged:
            person = self.merged[person]
        return person

    def group(self, person: str) -> list[str]:
        return [p for p in self.names if self.now(p) == self.now(person)]

    def is_refused(self, person: str) -> bool:
        return any(self.refused.get(p) for p in self.group(person))


class Archivist:
    """Somebody who does what people do, at random, and remembers which seats their acts were about."""

    def __init__(self, prepared: Prepared, folder: Path, seed: int) -> None:
        self.random, self.prepared, self.folder = random.Random(seed), prepared, folder
        shutil.copytree(prepared.folder / "start", folder)
        self.archive = Archive(photos=str(folder / "photos"), data=str(folder / "data"))
        self.models, self.ledger = Models(pack="builtin"), self.archive.open_ledger()
        self.files: dict[str, Version] = {}
        self.bin: list[tuple[str, Version]] = []
        self.copies = 0
        self.seats_of_event: dict[int, list[Seat]] = {}
        self.shown: dict[str, tuple[Seat, FaceRef]] = {}
        self.done: list[str] = []
        for number, shot in enumerate(prepared.middles):
            self.files[f"{YEARS[number % 2]}/{Version(shot).name}"] = Version(shot)
        self._look()

    def act(self) -> None:
        """One thing that people do."""
        acts = {
            self.label: 5, self.confirm: 2, self.reject: 2, self.merge: 1, self.rename: 1, self.undo: 2,
            self.consent: 2, self.roster: 2, self.forget: 1, self.write_metadata: 2, self.edit: 4, self.copy: 1,
            self.move: 2, self.delete: 1, self.restore: 1, self.run: 2,
        }  # fmt: skip
        (chosen,) = self.random.choices(list(acts), list(acts.values()))
        self.done.append(chosen.__name__)
        try:
            chosen()
        except LedgerError as error:  # what contradicts something is refused in a sentence, and changes nothing
            self.done[-1] += f" (refused: {error})"

    def label(self) -> None:
        seat, face = self._any_face()
        self._note([seat], lambda: self.ledger.label(self.random.choice(NAMES), [face]).events)

    def confirm(self) -> None:
        seat, face = self._any_face()
        self._note([seat], lambda: self.ledger.confirm(self.random.choice(NAMES), [face]).events)

    def reject(self) -> None:
        seat, face = self._any_face()
        self._note([seat], lambda: self.ledger.reject(self.random.choice(NAMES), [face]).events)

    def merge(self) -> None:
        one, other = self.random.sample(NAMES, 2)
        self.ledger.merge(one, other)

    def rename(self) -> None:
        one, other = self.random.sample((*NAMES, "Eve Uhl"), 2)
        self.ledger.rename(one, other)

    def undo(self) -> None:
        kinds = {"faces_labelled", "faces_confirmed", "faces_rejected", "person_merged", "person_renamed"}
        kinds |= {"consent_given", "consent_withdrawn", "roster_imported"}
        events = self.ledger.events()
        gone = undone_event_ids(events)
        able = [e.id for e in events if e.kind in kinds and e.id not in gone]
        if able:
            self.ledger.undo(self.random.choice(able))

    def consent(self) -> None:
        self.ledger.set_consent(self.random.choice(NAMES), self.random.random() < 0.4)

    def roster(self) -> None:
        answers: list[dict[str, object]] = [
            {"consent": False},
            {"consent": True},
            {"consent_in_doubt": "ask mother"},
            {},
        ]
        rows = [RosterEntry(name, **self.random.choice(answers)) for name in self.random.sample(NAMES, 2)]  # type: ignore[arg-type]
        self.ledger.import_roster(rows, f"roster {self.random.randrange(100)}.csv")

    def forget(self) -> None:
        name = self.random.choice(NAMES)
        _, faces = find_person_to_erase(self.archive, name)
        seats = [self.shown[face.face_id][0] for face in faces if face.face_id in self.shown]
        before = self.ledger.last()
        with dg.DagsterInstance.ephemeral() as instance:
            erase_person(self.archive, instance, name)
        for event in self.ledger.events(after=before[0] if before else 0):
            if event.kind == "person_erased":
                self.seats_of_event[event.id] = seats

    def write_metadata(self) -> None:
        """A comment in the JPEG, as a rating or a keyword would be."""
        file = self._photo(self.random.choice(list(self.files)))
        data, note = file.read_bytes(), f"stars {self.random.randrange(6)}".encode()
        file.write_bytes(data[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + data[2:])

    def edit(self) -> None:
        """In place: turned on its head, or exported again with another look."""
        path = self.random.choice(list(self.files))
        self._put(path, self._other_version(self.files[path]))

    def copy(self) -> None:
        path = self.random.choice(list(self.files))
        version = self._other_version(self.files[path])
        self.copies += 1
        self._put(f"{self.random.choice(YEARS)}/{version.shot}-copy{self.copies}.jpg", version)

    def move(self) -> None:
        path = self.random.choice(list(self.files))
        target = f"{self.random.choice(YEARS)}/{path.rsplit('/', 1)[1]}"
        if target not in self.files:
            self._photo(path).rename(self._photo(target))
            self.files[target] = self.files.pop(path)

    def delete(self) -> None:
        if len(self.bin) < 2 and len(self.files) > 4:
            path = self.random.choice(list(self.files))
            self.bin.append((path, self.files.pop(path)))
            self._photo(path).rename(self.folder / self._photo(path).name)

    def restore(self) -> None:
        if self.bin:
            path, version = self.bin.pop()
            if path not in self.files:
                (self.folder / self._photo(path).name).rename(self._photo(path))
                self.files[path] = version

    def run(self) -> None:
        for year in YEARS:
            (self.folder / "photos" / year).mkdir(parents=True, exist_ok=True)
        run_assets(self.archive, self.models)
        self._look()

    def _look(self) -> None:
        """See the faces that are published, as a page would show them."""
        rows = query_database(
            self.archive.layout.database, "SELECT id, asset_id, bbox_x, bbox_y, bbox_w, bbox_h FROM face_instances"
        )
        faces = {f: FaceRef(f, photo, (x, y, w, h)) for f, photo, x, y, w, h in rows.iter_rows()}
        self.shown = {}
        for path, numbers in self.seats().items():
            for face_id, number in numbers.items():
                self.shown[face_id] = ((path.rsplit("/", 1)[1].split("-")[0], number), faces[face_id])

    def seats(self) -> dict[str, dict[str, int]]:
        """`seats_of` the files as they are now; to be asked after a run."""
        return seats_of(self.archive, self.prepared.middles, self.files.__getitem__)

    def truth(self) -> Truth:
        """What all words together come to, read one after the other as they were said."""
        events = self.ledger.events()
        gone, truth = undone_event_ids(events), Truth()
        for event in events:
            if event.id not in gone:
                _apply(truth, event, self.seats_of_event.get(event.id, []))
        return truth

    def _any_face(self) -> tuple[Seat, FaceRef]:
        return self.random.choice(list(self.shown.values()))

    def _note(self, seats: list[Seat], command: Callable[[], tuple[int, ...]]) -> None:
        for event in command():
            self.seats_of_event[event] = seats

    def _other_version(self, version: Version) -> Version:
        return self.random.choice([v for v in versions_of(version.shot) if v != version])

    def _put(self, path: str, version: Version) -> None:
        self._photo(path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.prepared.folder / "photos" / YEARS[0] / version.name, self._photo(path))
        self.files[path] = version

    def _photo(self, path: str) -> Path:
        return self.folder / "photos" / path


def _apply(truth: Truth, event: Event, seats: list[Seat]) -> None:
    """One more event: a refusal stays with the person for whom it was given, and ends with a consent given by hand."""
    if event.kind.startswith("faces_"):
        _apply_to_faces(truth, event, seats)
    elif event.kind.startswith("consent_"):
        _apply_consent(truth, event)
    elif event.kind == "roster_imported":
        _apply_roster(truth, event)
    elif event.kind.startswith("person_"):
        _apply_to_person(truth, event, seats)


def _apply_to_person(truth: Truth, event: Event, seats: list[Seat]) -> None:
    who = event.payload["person_id"]
    if event.kind in ("person_created", "person_renamed"):
        truth.names[who] = event.payload["name"]
        if event.payload["name"] in truth.roster_no:
            truth.refused.setdefault(who, set()).add(event.id)
    elif event.kind == "person_merged":
        truth.merged[who] = event.payload["into_id"]
    elif event.kind == "person_erased":
        truth.erased |= set(truth.group(who))
        truth.erased_seats |= set(seats) | {seat for seat, p in truth.owner.items() if truth.now(p) == truth.now(who)}
        truth.owner = {seat: p for seat, p in truth.owner.items() if seat not in truth.erased_seats}


def _apply_to_faces(truth: Truth, event: Event, seats: list[Seat]) -> None:
    who = event.payload.get("person_id", "")
    if event.kind in ("faces_labelled", "faces_confirmed"):
        for seat in seats:
            truth.owner[seat] = who
            truth.rejected -= {(seat, p) for p in truth.group(who)}
    elif event.kind == "faces_rejected":
        for seat in seats:
            truth.rejected.add((seat, who))
            if seat in truth.owner and truth.now(truth.owner[seat]) == truth.now(who):
                del truth.owner[seat]


def _apply_consent(truth: Truth, event: Event) -> None:
    who = event.payload["person_id"]
    if event.kind == "consent_withdrawn":
        truth.refused.setdefault(who, set()).add(event.id)
    elif event.kind == "consent_given":
        for person in truth.group(who):
            truth.refused.pop(person, None)


def _apply_roster(truth: Truth, event: Event) -> None:
    for row in event.payload["entries"]:
        if row.get("consent") is False or row.get("consent_in_doubt"):
            truth.roster_no.add(row["name"])
            for person, name in truth.names.items():
                if name == row["name"]:
                    truth.refused.setdefault(person, set()).add(event.id)
