"""The photos that a search finds, by arrays over all photos of the view; no loop over photos or faces.

Names mean active people. A hidden person counts as a face, and as somebody else, but is not found by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from classface_assets.core.languages import gettext, ngettext
from classface_assets.core.names import normalize_name, similar_names
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.photos.search.terms import (
    AllOf,
    AnyOf,
    Exactly,
    FaceCount,
    HasTrait,
    PhotoTrait,
    Place,
    Placed,
    Somebody,
    Term,
    Without,
    people_in,
)
from classface_assets.store.model.person_kinds import PersonStatus

MAX_NAMES_SHOWN = 5


@dataclass(frozen=True)
class PhotoIndex:
    """All photos, and who is in them.

    Attributes:
        view: The archive.
    """

    view: ArchiveView

    @cached_property
    def photos(self) -> pl.DataFrame:
        """The view's photos, newest school year first, then by path, with `event` (the folder below the year)."""
        in_year = pl.col("path").str.replace(r"^[^/]*/?", "")
        event = pl.when(in_year.str.contains("/")).then(in_year.str.replace(r"/[^/]*$", "")).otherwise(pl.lit(""))
        named = self.view.photos.with_columns(event.alias("event"))
        return named.sort("school_year", "path", descending=[True, False])

    @cached_property
    def faces(self) -> pl.DataFrame:
        """`photo` (row number in `photos`), `person_id` and `school_year` of every face."""
        rows = self.photos.select("asset_id").with_row_index("photo")
        return self.view.faces.select("asset_id", "person_id", "school_year").join(rows, on="asset_id", how="inner")

    @cached_property
    def face_counts(self) -> np.ndarray:
        """The number of faces of each photo (n,)."""
        return np.bincount(self.faces["photo"].to_numpy(), minlength=self.photos.height)

    @cached_property
    def named_counts(self) -> np.ndarray:
        """The number of faces with a name of each photo (n,)."""
        named = self.faces.filter(pl.col("person_id").is_not_null())
        return np.bincount(named["photo"].to_numpy(), minlength=self.photos.height)

    @cached_property
    def people(self) -> pl.DataFrame:
        """The active people, by name: id, name, folded."""
        return self.view.persons.filter(pl.col("status") == PersonStatus.ACTIVE).select("id", "name", "folded")

    def people_named(self, somebody: Somebody) -> dict[str, str]:
        """Person id → name of everybody who may be meant.

        That are the people of exactly that name, else those with words that begin with the words of it.
        """
        name = normalize_name(somebody.name)
        exact = self.people.filter(pl.col("folded") == name)
        if not exact.height:  # a name that others have too is shown with class or year of birth
            ids = [person.id for person in self.view.decisions.people_named(somebody.name)]
            exact = self.people.filter(pl.col("id").is_in(ids))
        if exact.height or somebody.whole:
            return dict(exact.select("id", "name").iter_rows())
        padded = pl.format(" {}", pl.col("folded"))
        begins = [padded.str.contains(f" {word}", literal=True) for word in name.split()]
        found = self.people.filter(pl.all_horizontal(begins)) if begins else self.people.clear()
        return dict(found.select("id", "name").iter_rows())

    def matches(self, term: Term) -> np.ndarray:
        """Which photos a term holds for: booleans (n,)."""
        match term:
            case Somebody():
                return self._shows(list(self.people_named(term)))
            case Exactly(people):
                return self._shows_exactly(people)
            case FaceCount(least, most):
                counts = self.face_counts
                return (counts >= least) & (counts <= (counts.max(initial=0) if most is None else most))
            case Placed(place, text):
                return self._is_at(place, text)
            case HasTrait(trait):
                return self._has(trait)
            case AllOf(terms):
                return np.logical_and.reduce([self.matches(one) for one in terms] or [self._every_photo()])
            case AnyOf(terms):
                return np.logical_or.reduce([self.matches(one) for one in terms])
            case Without(inner):
                return ~self.matches(inner)

    def find(self, term: Term) -> pl.DataFrame:
        """The photos that a term holds for: rows of `photos` with the numbers of `faces` and of `named` ones."""
        counted = self.photos.with_columns(
            pl.Series("faces", self.face_counts, pl.Int64), pl.Series("named", self.named_counts, pl.Int64)
        )
        return counted.filter(pl.Series(self.matches(term), dtype=pl.Boolean))

    def _every_photo(self) -> np.ndarray:
        return np.ones(self.photos.height, bool)

    def _shows(self, person_ids: list[str]) -> np.ndarray:
        rows = self.faces.filter(pl.col("person_id").is_in(person_ids))["photo"].to_numpy()
        return np.bincount(rows, minlength=self.photos.height) > 0

    def _shows_exactly(self, people: tuple[Somebody, ...]) -> np.ndarray:
        ids = [list(self.people_named(one)) for one in people]
        theirs = self.faces.filter(pl.col("person_id").is_in([each for some in ids for each in some]))
        alone = np.bincount(theirs["photo"].to_numpy(), minlength=self.photos.height) == self.face_counts
        return np.logical_and.reduce([alone, *(self._shows(some) for some in ids)])

    def _is_at(self, place: Place, text: str) -> np.ndarray:
        sought = text.casefold()
        photos = self.photos
        if place is Place.CLASS:
            return self._shows_class(normalize_name(text))
        if place is Place.YEAR:
            years = photos["school_year"].unique().to_list()
            found = [year for year in years if year.casefold() == sought]
            return _booleans(
                photos["school_year"].is_in(found or [y for y in years if y.casefold().startswith(sought)])
            )
        if place is Place.FILE:
            name = photos["path"].str.replace(r"^.*/", "")
            return _booleans(name.str.to_lowercase().str.contains(text.lower(), literal=True))
        folders = photos["event"].unique().to_list()
        whole = [each for each in folders if each.casefold() == sought or each.casefold().startswith(f"{sought}/")]
        partly = [each for each in folders if sought in each.casefold()]
        return _booleans(photos["event"].is_in(whole or partly))

    def _shows_class(self, name: str) -> np.ndarray:
        """Photos with a face of somebody who was in that class in the photo's school year."""
        students = [
            (person_id, year)
            for entry in self.view.decisions.roster
            if (person_id := self.view.decisions.students.get(entry.key))
            for year, class_name in entry.classes.items()
            if class_name and normalize_name(class_name) == name
        ]
        schema = {"person_id": pl.String, "school_year": pl.String}
        table = pl.DataFrame(students, schema=schema, orient="row").unique()
        rows = self.faces.join(table, on=["person_id", "school_year"], how="semi")["photo"].to_numpy()
        return np.bincount(rows, minlength=self.photos.height) > 0

    def _has(self, trait: PhotoTrait) -> np.ndarray:
        if trait is PhotoTrait.UNNAMED:
            return self.named_counts < self.face_counts
        if trait is PhotoTrait.NAMED:
            return (self.named_counts == self.face_counts) & (self.face_counts > 0)
        return _booleans(self.photos["near_group"].is_not_null())


def query_notes(index: PhotoIndex, term: Term) -> list[str]:
    """Sentences on the names of a search: nobody has one, or several people may be meant."""
    notes = []
    for somebody in dict.fromkeys(people_in(term)):
        found = list(index.people_named(somebody).values())
        if not found:
            near = similar_names(somebody.name, index.people["name"])[:3]
            notes.append(gettext("Nobody here is called “%(name)s”.", name=somebody.name))
            notes += [gettext("Did you mean %(names)s?", names=gettext(" or ").join(near))] if near else []
        elif len(found) > 1:
            notes.append(_meant_note(somebody.name, found))
    return notes


def _meant_note(name: str, found: list[str]) -> str:
    shown = ", ".join(found[:MAX_NAMES_SHOWN])
    more = len(found) - MAX_NAMES_SHOWN
    if more > 0:
        shown += " " + ngettext("and %(num)s more", "and %(num)s more", more)
    return ngettext(
        "“%(name)s” may be any of %(num)s person: %(shown)s.",
        "“%(name)s” may be any of %(num)s people: %(shown)s.",
        len(found),
        name=name,
        shown=shown,
    )


def names_meant(index: PhotoIndex, term: Term) -> Mapping[Somebody, str]:
    """The full name of everybody in a search of whom only one person can be meant."""
    found = {one: list(index.people_named(one).values()) for one in people_in(term)}
    return {one: names[0] for one, names in found.items() if len(names) == 1}


def _booleans(column: pl.Series) -> np.ndarray:
    return column.to_numpy().astype(bool)
