"""Names in photos taken over as labels: what would change first, and then the same as events of the ledger.

Each event names its source as the actor ("ada: digiKam region in 2019/a.jpg.xmp"), and is undone like any other.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from classface_assets.core.atomic_files import read_file
from classface_assets.core.errors import StorageError, UserError
from classface_assets.core.geometry import box_iou
from classface_assets.core.languages import gettext
from classface_assets.core.locations import parse_location
from classface_assets.core.names import normalize_name
from classface_assets.orchestration.resources import Archive
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.face_regions.files import rows_by_key
from classface_assets.services.face_regions.matching import FaceMatcher, FoundName, Outcome
from classface_assets.services.face_regions.metadata.model import Region, RegionSet, Standard
from classface_assets.services.face_regions.metadata.packet_update import OURS_IOU
from classface_assets.services.face_regions.metadata.picasa import parse_contacts
from classface_assets.services.face_regions.photos import PhotoFile, Selection, counted_frames, photo_files
from classface_assets.services.face_regions.record import Progress, no_progress
from classface_assets.services.face_regions.sources import SourceReader
from classface_assets.store.erasure.written_regions import read_written_regions
from classface_assets.store.ledger.event_store import current_actor
from classface_assets.store.ledger.ledger import Ledger

MAX_ACTOR = 200
"""Characters of an actor that name the source; the ledger stores 255."""


@dataclass(frozen=True)
class ReadOptions:
    """What to read.

    Attributes:
        selection: Which school years, and which names or ids of people.
        new_faces: Whether a named place without a face becomes a face that somebody drew.
        contacts: Picasa's `contacts.xml`, where it does not lie in the folders of the photos.
        apply: Whether to take the names over; else only what would change is reported.
    """

    selection: Selection = field(default_factory=Selection)
    new_faces: bool = True
    contacts: Path | None = None
    apply: bool = False


@dataclass(frozen=True)
class ReadReport:
    """What was taken over, or would be.

    Attributes:
        applied: Whether it was.
        names: Every name at a place in a photo, by path.
        photos: How many photos were read.
        with_names: How many of them have names of other programs.
        own: How many names were ours, written by an earlier call.
        untied: (path, name) of names that a program states without a place.
        problems: Sentences on files that could not be read.
        new_people: Names of the people who were new, or would be.
        events: Ids of the events of the ledger.
    """

    applied: bool
    names: tuple[FoundName, ...] = ()
    photos: int = 0
    with_names: int = 0
    own: int = 0
    untied: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()
    new_people: tuple[str, ...] = ()
    events: tuple[int, ...] = ()

    def count(self, outcome: Outcome) -> int:
        """How many names have that outcome."""
        return sum(one.outcome == outcome for one in self.names)

    def programs(self) -> dict[str, int]:
        """How many names each program states, most first."""
        return dict(Counter(one.program for one in self.names).most_common())


def read_names(
    archive: Archive,
    view: ArchiveView,
    options: ReadOptions,
    progress: Progress = no_progress,
    ledger: Ledger | None = None,
) -> ReadReport:
    """Read the names that other programs wrote into photos, sidecars and Picasa's files.

    Args:
        archive: The archive.
        view: Its faces and names as they are now.
        options: What to read.
        progress: Called with how many photos of how many are done.
        ledger: The ledger with the actor who reads; None for the archive's.

    Raises:
        DatabaseError: Nothing is published yet.
        SelectionError: There is no such school year.
        LedgerError: The ledger cannot be written.
        StorageError: The photos cannot be listed.
    """
    layout = archive.layout
    files = photo_files(layout, options.selection.years)
    frames = counted_frames(photo_files(layout), layout)
    reader = SourceReader(layout, _contacts(options))
    matcher, ours = FaceMatcher.of(view), _OwnRegions.of(archive)
    wanted = _selected_names(view, options.selection.persons)
    names, untied, problems, with_names = list[FoundName](), list[tuple[str, str]](), list[str](), 0
    own = 0
    for number, photo in enumerate(files):
        sources = reader.read(photo.path)
        sets, skipped = ours.without(photo, sources.sets)
        own += skipped
        sets = [_with_names(one, wanted) for one in sets]
        found = matcher.match(photo.path, photo.asset_id, frames.get(photo.asset_id, photo.frame), sets)
        names += found
        with_names += bool(found)
        untied += [(photo.path, name) for name in sources.untied if not wanted or normalize_name(name) in wanted]
        problems += sources.problems
        if number % 50 == 49 or number + 1 == len(files):
            progress(number + 1, len(files))
    decided = [one if options.new_faces else _without_new_face(one) for one in _copies_once(names)]
    report = ReadReport(
        options.apply,
        tuple(decided),
        len(files),
        with_names,
        own,
        tuple(untied),
        tuple(problems),
        _new_people(matcher, decided),
    )
    return _apply(report, ledger or archive.open_ledger()) if options.apply else report


@dataclass(frozen=True)
class _OwnRegions:
    """The regions that were written by the archive itself: reading them back would say nothing new."""

    by_picture: Mapping[str, tuple[Region, ...]]

    @classmethod
    def of(cls, archive: Archive) -> "_OwnRegions":
        found = defaultdict[str, list[Region]](list)
        for rows in rows_by_key(read_written_regions(archive.layout)).values():
            for asset, name, *box in rows.select("asset_id", "name", "x", "y", "w", "h").iter_rows():
                found[asset].append(Region(name, (box[0], box[1], box[2], box[3])))
        return cls({asset: tuple(regions) for asset, regions in found.items()})

    def without(self, photo: PhotoFile, sets: Sequence[RegionSet]) -> tuple[list[RegionSet], int]:
        """The sets without our regions, and how many of ours there were."""
        ours = self.by_picture.get(photo.asset_id, ())
        left, count = [], 0
        for one in sets:
            others = one.regions
            if one.standard in (Standard.MWG, Standard.MICROSOFT):
                others = tuple(r for r in one.regions if not _is_ours(r, ours))
            count += len(one.regions) - len(others)
            left.append(replace(one, regions=others))
        return left, count


def _is_ours(region: Region, ours: Iterable[Region]) -> bool:
    return any(o.name.casefold() == region.name.casefold() and box_iou(o.box, region.box) >= OURS_IOU for o in ours)


def _contacts(options: ReadOptions) -> Mapping[str, str]:
    if options.contacts is None:
        return {}
    try:
        return parse_contacts(read_file(parse_location(str(options.contacts))))
    except FileNotFoundError:
        raise StorageError(
            gettext("There is no file %(file)s; name Picasa's contacts.xml.", file=options.contacts)
        ) from None


def _selected_names(view: ArchiveView, persons: Sequence[str]) -> frozenset[str]:
    """The normalized names to take over; empty for all. An id stands for the name of its person."""
    known = view.decisions.persons
    return frozenset(normalize_name(known[who].name if who in known else who) for who in persons)


def _with_names(regions: RegionSet, wanted: frozenset[str]) -> RegionSet:
    if not wanted:
        return regions
    return replace(regions, regions=tuple(r for r in regions.regions if normalize_name(r.name) in wanted))


def _without_new_face(found: FoundName) -> FoundName:
    if found.outcome != Outcome.NEW_FACE:
        return found
    return replace(found, outcome=Outcome.LEFT_OUT, face=None, reason=gettext("no face was found there"))


def _copies_once(names: Sequence[FoundName]) -> list[FoundName]:
    """The names without those of copies of a photo that say the same of the same face."""
    first: dict[tuple[str, str], FoundName] = {}
    for one in names:
        where = one.face.face_id if one.face is not None else f"{one.path} {one.file} {one.reason}"
        first.setdefault((normalize_name(one.name), where), one)
    return sorted(first.values(), key=lambda one: (one.path, one.name))


def _new_people(matcher: FaceMatcher, names: Sequence[FoundName]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for one in names:
        if one.outcome in (Outcome.LABEL, Outcome.NEW_FACE) and matcher.person_named(one.name) is None:
            found.setdefault(normalize_name(one.name), one.name)
    return tuple(sorted(found.values()))


def _apply(report: ReadReport, ledger: Ledger) -> ReadReport:
    """Append the labels, an event a person and program; what the ledger refuses is left out with its reason."""
    actor, events = ledger.actor or current_actor(), list[int]()
    names = list(report.names)
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, one in enumerate(names):
        if one.outcome in (Outcome.LABEL, Outcome.NEW_FACE):
            groups[normalize_name(one.name), one.program].append(number)
    for numbers in groups.values():
        some = [names[number] for number in numbers]
        source = replace(ledger, actor=_source(actor, some))
        try:
            for one in some:
                if one.outcome == Outcome.NEW_FACE and one.face is not None:
                    events += source.draw_face(one.face).events
            faces = [one.face for one in some if one.face is not None]
            events += source.label(some[0].name, faces, method="import").events
        except UserError as error:
            for number in numbers:
                names[number] = replace(names[number], outcome=Outcome.LEFT_OUT, reason=str(error))
    return replace(report, names=tuple(names), events=tuple(events))


def _source(actor: str, names: Sequence[FoundName]) -> str:
    """Who acts, as the history shows it: the user, the program and the file, or how many photos."""
    photos = len({one.path for one in names})
    where = f"region in {names[0].file}" if photos == 1 else f"regions in {photos:,} photos"
    return f"{actor}: {names[0].program} {where}"[:MAX_ACTOR]
