"""A search over photos in words, as it was understood."""

from collections.abc import Mapping

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
    PhotoTrait.UNNAMED: ("has faces without a name", "has no face without a name"),
    PhotoTrait.NAMED: ("has a name for every face", "does not have a name for every face"),
    PhotoTrait.DUPLICATE: ("has near duplicates", "has no near duplicates"),
}
_PLACES = {
    Place.YEAR: ("is of the school year {}", "is not of the school year {}"),
    Place.CLASS: ("shows somebody of the class {}", "shows nobody of the class {}"),
    Place.EVENT: ("is in the folder “{}”", "is not in the folder “{}”"),
    Place.FILE: ("has “{}” in its file name", "does not have “{}” in its file name"),
}


def explain(term: Term, names: Mapping[Somebody, str]) -> str:
    """One sentence on what is shown.

    Args:
        term: The search.
        names: The full names of people of whom only one can be meant.
    """
    if term == AllOf(()):
        return "All photos."
    return f"Every photo that {_clause(term, names, inside=False, negated=False)}."


def _clause(term: Term, names: Mapping[Somebody, str], inside: bool, negated: bool) -> str:
    match term:
        case Somebody():
            return ("does not show {}" if negated else "shows {}").format(_name(term, names))
        case Exactly(people):
            listed = " and ".join(_name(one, names) for one in people)
            form = "shows anything but {} alone" if negated else "shows {} and nobody else"
            return form.format(listed)
        case FaceCount():
            return _count_clause(term, negated)
        case Placed(place, text):
            return _PLACES[place][negated].format(text)
        case HasTrait(trait):
            return _TRAITS[trait][negated]
        case Without(inner):
            return _clause(inner, names, inside, not negated)
        case AllOf(terms):
            return _joined(terms, " or " if negated else " and ", names, inside, negated)
        case AnyOf(terms):
            return _joined(terms, " and " if negated else " or ", names, inside, negated)


def _joined(
    terms: tuple[Term, ...], conjunction: str, names: Mapping[Somebody, str], inside: bool, negated: bool
) -> str:
    """The clauses of some terms; within another combination they are in brackets."""
    text = conjunction.join(_clause(one, names, True, negated) for one in terms)
    return f"({text})" if inside and len(terms) > 1 else text


def _name(somebody: Somebody, names: Mapping[Somebody, str]) -> str:
    return names.get(somebody) or f"“{somebody.name}”"


def _count_clause(count: FaceCount, negated: bool) -> str:
    verb = "does not have" if negated else "has"
    if (count.least, count.most) == (0, 0):
        return "has a face" if negated else "has no face"
    if count.most is None:
        return f"{verb} {count.least} faces or more"
    if count.least == count.most:
        return f"{verb} exactly {count.least} {'face' if count.least == 1 else 'faces'}"
    if count.least == 0:
        return f"{verb} at most {count.most} {'face' if count.most == 1 else 'faces'}"
    return f"{verb} {count.least} to {count.most} faces"
