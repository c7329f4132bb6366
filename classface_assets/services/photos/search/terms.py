"""What a search over photos looks for, as terms: people, places, numbers of faces, and how these are combined."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PhotoTrait(StrEnum):
    """Something a photo is or is not."""

    UNNAMED = "unnamed"
    NAMED = "named"
    DUPLICATE = "duplicate"


class Place(StrEnum):
    """By what a photo is looked up, beside the people in it."""

    YEAR = "year"
    CLASS = "class"
    EVENT = "event"
    FILE = "file"


@dataclass(frozen=True)
class Somebody:
    """A photo that shows somebody of a name.

    Attributes:
        name: The name, or words that begin words of it.
        whole: The name is the whole one.
    """

    name: str
    whole: bool = False


@dataclass(frozen=True)
class Exactly:
    """A photo that shows each of these people, and nobody else, known or unknown."""

    people: tuple[Somebody, ...]


@dataclass(frozen=True)
class FaceCount:
    """A photo with this number of faces; `most` is None where there is no upper bound."""

    least: int
    most: int | None


@dataclass(frozen=True)
class Placed:
    """A photo of a school year, with somebody of a class, in a folder, or with a file name."""

    place: Place
    text: str


@dataclass(frozen=True)
class HasTrait:
    """A photo with that trait."""

    trait: PhotoTrait


@dataclass(frozen=True)
class AllOf:
    """A photo for which all terms hold; without terms, every photo."""

    terms: tuple[Term, ...]


@dataclass(frozen=True)
class AnyOf:
    """A photo for which at least one of the terms holds."""

    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Without:
    """A photo for which the term does not hold."""

    term: Term


Term = Somebody | Exactly | FaceCount | Placed | HasTrait | AllOf | AnyOf | Without


def all_of(*terms: Term) -> Term:
    """All these terms as one, without a combination of one term."""
    flat = [inner for term in terms for inner in (term.terms if isinstance(term, AllOf) else (term,))]
    return flat[0] if len(flat) == 1 else AllOf(tuple(flat))


def people_in(term: Term) -> list[Somebody]:
    """Everybody whom a term names, in its order."""
    match term:
        case Somebody():
            return [term]
        case Exactly(people):
            return list(people)
        case AllOf(terms) | AnyOf(terms):
            return [one for inner in terms for one in people_in(inner)]
        case Without(inner):
            return people_in(inner)
        case _:
            return []
