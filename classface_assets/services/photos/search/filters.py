"""A search over photos as a form has it: what is typed, and filters that are chosen beside it."""

from dataclasses import dataclass, replace
from urllib.parse import urlencode

from classface_assets.services.photos.search.language import parse_face_count, parse_query
from classface_assets.services.photos.search.terms import (
    Exactly,
    HasTrait,
    PhotoTrait,
    Place,
    Placed,
    Somebody,
    Term,
    Without,
    all_of,
)


@dataclass(frozen=True)
class PhotoFilters:
    """What a form says; all of it holds at once. Empty texts are no filters.

    Attributes:
        q: A search in the language of `parse_query`.
        people: Names of people who are in the photo.
        absent: Names of people who are not.
        only: Nobody but `people` is in the photo.
        year: A school year.
        class_name: A class, in the photo's school year.
        event: A folder below the school year.
        file: A part of the file name.
        faces: A number of faces, as in `parse_face_count`.
        unnamed: The photo has faces without a name.
        duplicates: The photo has near duplicates.
    """

    q: str = ""
    people: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    only: bool = False
    year: str = ""
    class_name: str = ""
    event: str = ""
    file: str = ""
    faces: str = ""
    unnamed: bool = False
    duplicates: bool = False

    def term(self) -> Term:
        """All of it as one term.

        Raises:
            PhotoQueryError: The search or the number of faces cannot be understood.
        """
        people = tuple(Somebody(name) for name in self.people)
        shown: tuple[Term, ...] = (Exactly(people),) if self.only and people else people
        places = {
            Place.YEAR: self.year,
            Place.CLASS: self.class_name,
            Place.EVENT: self.event,
            Place.FILE: self.file,
        }
        return all_of(
            *((parse_query(self.q),) if self.q.strip() else ()),
            *shown,
            *(Without(Somebody(name)) for name in self.absent),
            *(Placed(place, text) for place, text in places.items() if text),
            *((parse_face_count(self.faces),) if self.faces else ()),
            *((HasTrait(PhotoTrait.UNNAMED),) if self.unnamed else ()),
            *((HasTrait(PhotoTrait.DUPLICATE),) if self.duplicates else ()),
        )

    def address(self) -> str:
        """The query of the page's address, without what is not set."""
        parts = [
            ("q", self.q),
            *(("with", name) for name in self.people),
            *(("without", name) for name in self.absent),
            ("only", "1" if self.only else ""),
            ("year", self.year),
            ("class", self.class_name),
            ("event", self.event),
            ("file", self.file),
            ("faces", self.faces),
            ("unnamed", "1" if self.unnamed else ""),
            ("duplicates", "1" if self.duplicates else ""),
        ]
        return urlencode([(name, value) for name, value in parts if value])

    @property
    def count(self) -> int:
        """How many filters are chosen beside what is typed."""
        chosen = (self.only, self.year, self.class_name, self.event, self.file, self.faces, self.unnamed)
        return len(self.people) + len(self.absent) + sum(map(bool, (*chosen, self.duplicates)))

    def dropping(self, name: str) -> "PhotoFilters":
        """The same without this person."""
        return replace(
            self,
            people=tuple(each for each in self.people if each != name),
            absent=tuple(each for each in self.absent if each != name),
        )
