"""Everything that other programs state about the people in one photo: sidecars, the file itself, and Picasa's files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from classface_assets.core.atomic_files import read_file
from classface_assets.core.errors import StorageError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import Location, decode_relative_path, list_directory
from classface_assets.services.face_regions.metadata.formats import read_regions
from classface_assets.services.face_regions.metadata.jpeg_xmp import read_embedded_packet
from classface_assets.services.face_regions.metadata.model import RegionError, RegionSet, Standard
from classface_assets.services.face_regions.metadata.picasa import (
    CONTACTS_NAME,
    INI_NAMES,
    PicasaFolder,
    parse_contacts,
    parse_ini,
    picasa_regions,
)


@dataclass(frozen=True)
class PhotoSources:
    """What was found about one photo.

    Attributes:
        sets: The sets of regions; the same regions in several forms or files are one set.
        untied: Names without a place.
        problems: Sentences on what could not be read.
    """

    sets: tuple[RegionSet, ...] = ()
    untied: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass
class SourceReader:
    """Reads the sources of photos, folder by folder, so that each folder is listed once.

    Attributes:
        layout: The archive.
        contacts: Picasa's names by contact, from a `contacts.xml`.
    """

    layout: ArchiveLayout
    contacts: Mapping[str, str] = field(default_factory=dict)
    _folder: str | None = None
    _names: frozenset[str] = frozenset()
    _picasa: PicasaFolder = field(default_factory=PicasaFolder)
    _ini: str = ""
    _own_contacts: Mapping[str, str] = field(default_factory=dict)
    _problems: tuple[str, ...] = ()

    def read(self, path: str) -> PhotoSources:
        """What other programs state about the photo of that path below the photos folder.

        Raises:
            StorageError: The folder cannot be listed.
        """
        folder, _, name = path.rpartition("/")
        if folder != self._folder:
            self._enter(folder)
        sets, untied, problems = list[RegionSet](), list[str](), list(self._problems)
        self._problems = ()  # those of a folder are reported once
        for file, data in self._packets(folder, name, problems):
            try:
                content = read_regions(data)
            except RegionError as error:
                problems.append(f"{file}: {error}")
                continue
            sets += [one.in_file(file) for one in content.sets]
            untied += content.untied
        picasa = picasa_regions(self._picasa, name, {**self.contacts, **self._own_contacts})
        if picasa is not None:
            sets.append(picasa.in_file(f"{folder}/{self._ini}".lstrip("/")))
        merged = merge_sets(sets)
        tied = {region.name.casefold() for one in merged for region in one.regions}
        return PhotoSources(
            tuple(merged), tuple(n for n in dict.fromkeys(untied) if n.casefold() not in tied), tuple(problems)
        )

    def _packets(self, folder: str, name: str, problems: list[str]) -> Iterator[tuple[str, bytes]]:
        """The packets of a photo with the file that each is in: its sidecars, then its own."""
        stem = PurePosixPath(name).stem
        for sidecar in (f"{name}.xmp", f"{stem}.xmp"):
            found = next((n for n in self._names if n.casefold() == sidecar.casefold()), None)
            if found is not None:
                file = f"{folder}/{found}".lstrip("/")
                try:
                    yield file, read_file(self._location(file))
                except (StorageError, OSError) as error:
                    problems.append(f"{file}: {error}")
        file = f"{folder}/{name}".lstrip("/")
        try:
            packet = read_embedded_packet(self._location(file))
        except (RegionError, StorageError, OSError) as error:
            problems.append(f"{file}: {error}")
            return
        if packet is not None:
            yield file, packet

    def _enter(self, folder: str) -> None:
        """List a folder, and read Picasa's files in it."""
        self._folder, self._picasa, self._ini, self._own_contacts = folder, PicasaFolder(), "", {}
        where = self._location(folder) if folder else self.layout.photos
        self._names = frozenset(entry.path.name for entry in list_directory(where, include_missing=True))
        problems = []
        ini = next((name for name in INI_NAMES if name in self._names), None)
        try:
            if ini is not None:
                self._ini, self._picasa = ini, parse_ini(read_file(self._location(f"{folder}/{ini}".lstrip("/"))))
            if CONTACTS_NAME in self._names:
                data = read_file(self._location(f"{folder}/{CONTACTS_NAME}".lstrip("/")))
                self._own_contacts = parse_contacts(data)
        except (RegionError, StorageError, OSError) as error:
            problems.append(f"{folder}: {error}")
        self._problems = tuple(problems)

    def _location(self, path: str) -> Location:
        return decode_relative_path(self.layout.photos, path)


def merge_sets(sets: Sequence[RegionSet]) -> list[RegionSet]:
    """The sets without regions that another set states too: digiKam writes both forms, Picasa its file and the photo's.

    MWG comes first, since it states the size that its regions apply to.
    """
    order = {standard: number for number, standard in enumerate(Standard)}
    merged: list[RegionSet] = []
    for one in sorted(sets, key=lambda found: order[found.standard]):
        others = {(region.name.casefold(), _rounded(region.box)) for before in merged for region in before.regions}
        new = tuple(r for r in one.regions if (r.name.casefold(), _rounded(r.box)) not in others)
        if new or (one.unnamed and not merged):
            merged.append(replace(one, regions=new))
    return merged


def _rounded(box: tuple[float, float, float, float]) -> tuple[int, ...]:
    return tuple(round(100 * number) for number in box)
