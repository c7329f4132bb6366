"""A search over photos in words, as it was understood."""

from collections.abc import Mapping

from classface_assets.core.languages import gettext, marked, ngettext
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
)

_TRAITS = {
    PhotoTrait.UNNAMED: (marked("has faces without a name"), marked("has no face without a name")),
    PhotoTrait.NAMED: (marked("has a name for every face"), marked("does not have a name for every face")),
    PhotoTrait.DUPLICATE: (marked("has near duplicates"), marked("has no near duplicates")),
}
_PLACES = {
    Place.YEAR: (marked("is of the school year %(text)s"), marked("is not of the school year %(text)s")),
    Place.CLASS: (marked("shows somebody of the class %(text)s"), marked("shows nobody of the class %(text)s")),
    Place.EVENT: (marked("is in the folder “%(text)s”"), marked("is not in the folder “%(text)s”")),
    Place.FILE: (
        marked("has “%(text)s” in its file name"),
        marked("does not have “%(text)s” in its file name"),
    ),
}
_SHOWS = marked("shows %(name)s"), marked("does not show %(name)s")
_SHOWS_ONLY = marked("shows %(names)s and nobody else"), marked("shows anything but %(names)s alone")


def explain(term: Term, names: Mapping[Somebody, str]) -> str:
    """One sentence on what is shown.

    Args:
        term: The search.
        names: The full names of people of whom only one can be meant.
    """
    if term == AllOf(()):
        return gettext("All photos.")
    return gettext("Every photo that %(condition)s.", condition=_clause(term, names, inside=False, negated=False))


def _clause(term: Term, names: Mapping[Somebody, str], inside: bool, negated: bool) -> str:
    match term:
        case Somebody():
            return gettext(_SHOWS[negated], name=_name(term, names))
        case Exactly(people):
            return gettext(_SHOWS_ONLY[negated], names=gettext(" and ").join(_name(one, names) for one in people))
        case FaceCount():
            return _count_clause(term, negated)
        case Placed(place, text):
            return gettext(_PLACES[place][negated], text=text)
        case HasTrait(trait):
            return gettext(_TRAITS[trait][negated])
        case Without(inner):
            return _clause(inner, names, inside, not negated)
        case AllOf(terms):
            return _joined(terms, gettext(" or ") if negated else gettext(" and "), names, inside, negated)
        case AnyOf(terms):
            return _joined(terms, gettext(" and ") if negated else gettext(" or "), names, inside, negated)


def _joined(
    terms: tuple[Term, ...], conjunction: str, names: Mapping[Somebody, str], inside: bool, negated: bool
) -> str:
    """The clauses of some terms; within another combination they are in brackets."""
    text = conjunction.join(_clause(one, names, True, negated) for one in terms)
    return f"({text})" if inside and len(terms) > 1 else text


def _name(somebody: Somebody, names: Mapping[Somebody, str]) -> str:
    return names.get(somebody) or gettext("“%(name)s”", name=somebody.name)


def _count_clause(count: FaceCount, negated: bool) -> str:
    least, most = count.least, count.most
    if (least, most) == (0, 0):
        return gettext("has a face") if negated else gettext("has no face")
    if most is None:
        if negated:
            return ngettext("does not have %(num)s face or more", "does not have %(num)s faces or more", least)
        return ngettext("has %(num)s face or more", "has %(num)s faces or more", least)
    if least == most:
        if negated:
            return ngettext("does not have exactly %(num)s face", "does not have exactly %(num)s faces", most)
        return ngettext("has exactly %(num)s face", "has exactly %(num)s faces", most)
    if least == 0:
        if negated:
            return ngettext("does not have at most %(num)s face", "does not have at most %(num)s faces", most)
        return ngettext("has at most %(num)s face", "has at most %(num)s faces", most)
    if negated:
        return ngettext(
            "does not have %(least)s to %(num)s face", "does not have %(least)s to %(num)s faces", most, least=least
        )
    return ngettext("has %(least)s to %(num)s face", "has %(least)s to %(num)s faces", most, least=least)
