"""The language of the search over photos: names with AND, OR, NOT, EXACTLY, quotes, brackets, and `field:value`.

A recursive descent; words beside one another are one name, a comma is AND, and a minus sign is NOT.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from classface_assets.core.errors import UserError
from classface_assets.core.languages import gettext
from classface_assets.services.photos.search.terms import (
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
    all_of,
)

MAX_QUERY_LENGTH = 500
MAX_DEPTH = 20
_FIELDS = {
    "year": Place.YEAR,
    "class": Place.CLASS,
    "event": Place.EVENT,
    "folder": Place.EVENT,
    "file": Place.FILE,
    "faces": "faces",
    "is": "is",
}
_MARKS = {",": "AND", "&": "AND", "+": "AND", "|": "OR", "(": "(", ")": ")"}
_WORDS = {"AND": "AND", "OR": "OR", "NOT": "NOT", "EXACTLY": "EXACTLY", "ONLY": "EXACTLY"}
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»"}
_TOKEN = re.compile(r'\s*(?:(?P<mark>[,&+|()])|(?P<quote>["“„«])|(?P<minus>-(?=\S))|(?P<word>[^\s,&+|()"“„«]+))')
_COUNT = re.compile(
    r"(?:(?P<sign>>=|<=|>|<|=)?\s*(?P<one>\d{1,4})(?P<more>\+)?|(?P<least>\d{1,4})\s*-\s*(?P<most>\d{1,4}))"
)


class PhotoQueryError(UserError):
    """A search that cannot be understood."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str = ""


def parse_query(text: str) -> Term:
    """The terms of a search; of an empty text one that holds for every photo.

    Raises:
        PhotoQueryError: The text cannot be understood.
    """
    if len(text) > MAX_QUERY_LENGTH:
        raise PhotoQueryError(
            gettext("A search has at most %(number)s letters; use fewer names.", number=MAX_QUERY_LENGTH)
        )
    tokens = _tokenize(text)
    if not tokens:
        return all_of()
    parser = _Parser(tokens)
    term = parser.alternatives(0)
    if parser.kind == ")":
        raise PhotoQueryError(gettext("There is a closing bracket without an opening one."))
    return term


def parse_face_count(text: str) -> FaceCount:
    """A number of faces: `3`, `2-5`, `>4`, `>=4`, `<3`, `4+`.

    Raises:
        PhotoQueryError: It is none of these.
    """
    found = _COUNT.fullmatch(text.strip())
    if found is None:
        raise PhotoQueryError(
            gettext("“%(text)s” is no number of faces; write faces:3, faces:2-5 or faces:>4.", text=text)
        )
    if found["least"]:
        least, most = sorted((int(found["least"]), int(found["most"])))
        return FaceCount(least, most)
    number = int(found["one"])
    if found["sign"] == ">":
        return FaceCount(number + 1, None)
    if found["sign"] == "<" and number == 0:
        raise PhotoQueryError(gettext("No photo has fewer than 0 faces; faces:0 finds photos without a face."))
    if found["sign"] in ("<", "<="):
        return FaceCount(0, number - (found["sign"] == "<"))
    return FaceCount(number, None if found["sign"] == ">=" or found["more"] else number)


class _Parser:
    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens, self._at = tokens, 0

    @property
    def kind(self) -> str:
        """The kind of the next token; empty at the end."""
        return self._tokens[self._at].kind if self._at < len(self._tokens) else ""

    def take(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def alternatives(self, depth: int) -> Term:
        """Terms with OR between them."""
        if depth > MAX_DEPTH:
            raise PhotoQueryError(gettext("There are too many brackets within one another."))
        terms = [self.conjunction(depth)]
        while self.kind == "OR":
            self.take()
            terms.append(self.conjunction(depth))
        return terms[0] if len(terms) == 1 else AnyOf(tuple(terms))

    def conjunction(self, depth: int) -> Term:
        """Terms with AND, or nothing, between them."""
        terms = [self.negation(depth)]
        while self.kind not in ("", "OR", ")"):
            if self.kind == "AND":
                self.take()
            terms.append(self.negation(depth))
        return all_of(*terms)

    def negation(self, depth: int) -> Term:
        if depth > MAX_DEPTH:
            raise PhotoQueryError(gettext("There are too many NOTs or brackets within one another."))
        if self.kind == "NOT":
            self.take()
            return Without(self.negation(depth + 1))
        return self.atom(depth)

    def atom(self, depth: int) -> Term:
        kind = self.kind
        if kind in ("", ")", "AND", "OR"):
            raise PhotoQueryError(_missing_name_message(self._tokens, self._at))
        if kind == "(":
            self.take()
            term = self.alternatives(depth + 1)
            if self.kind != ")":
                raise PhotoQueryError(gettext("A bracket is opened and not closed."))
            self.take()
            return term
        if kind == "EXACTLY":
            self.take()
            return self.exactly()
        if kind == "field":
            return _field_term(self.take().text, self.take().text)
        return self.somebody()

    def exactly(self) -> Term:
        """The names after EXACTLY, up to anything else; they may be in brackets."""
        bracket = self.kind == "("
        if bracket:
            self.take()
        people: list[Somebody] = []
        while self.kind in ("word", "quoted"):
            people.append(self.somebody())
            if self.kind != "AND" or not self._name_follows():
                break
            self.take()
        if not people:
            raise PhotoQueryError(gettext("After EXACTLY come the names of the people, with commas: EXACTLY Ana, Ben."))
        if bracket:
            if self.kind != ")":
                raise PhotoQueryError(gettext("In the brackets after EXACTLY only names and commas can stand."))
            self.take()
        return Exactly(tuple(people))

    def somebody(self) -> Somebody:
        """A quoted name, or all words beside one another."""
        if self.kind == "quoted":
            return Somebody(self.take().text, whole=True)
        words = []
        while self.kind == "word":
            words.append(self.take().text)
        return Somebody(" ".join(words))

    def _name_follows(self) -> bool:
        return self._at + 1 < len(self._tokens) and self._tokens[self._at + 1].kind in ("word", "quoted")


def _missing_name_message(tokens: Sequence[_Token], at: int) -> str:
    shown = {"AND": gettext("AND, or a comma,"), "OR": "OR", "NOT": "NOT", "(": gettext("the opening bracket")}
    if at == 0:
        return gettext("A search begins with a name, with NOT, or with a term such as year:2015.")
    before = tokens[at - 1].kind
    return gettext(
        "After %(word)s a name or a term such as year:2015 is missing.",
        word=shown.get(before, gettext("the last word")),
    )


def _field_term(field: str, value: str) -> Term:
    known = _FIELDS[field]
    if not value.strip():
        raise PhotoQueryError(gettext("After %(field)s: a value is missing, right after the colon.", field=field))
    if known == "faces":
        return parse_face_count(value)
    if known == "is":
        if value.lower() not in list(PhotoTrait):
            raise PhotoQueryError(
                gettext("“is:%(value)s” is not known; write is:unnamed, is:named or is:duplicate.", value=value)
            )
        return HasTrait(PhotoTrait(value.lower()))
    return Placed(Place(known), value.strip())


def _tokenize(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise PhotoQueryError(gettext("“%(text)s” cannot be understood here.", text=text[at:].strip()[:20]))
        at = found.end()
        if found["mark"]:
            tokens.append(_Token(_MARKS[found["mark"]]))
        elif found["minus"]:
            tokens.append(_Token("NOT"))
        elif found["quote"]:
            name, at = _read_quoted(text, at, found["quote"])
            tokens.append(_Token("quoted", name))
        else:
            added, at = _word_tokens(text, found["word"], at)
            tokens += added
    return tokens


def _word_tokens(text: str, word: str, at: int) -> tuple[list[_Token], int]:
    """The tokens of a word, and where the text goes on: `field:value` are two, and the value may be quoted."""
    if word in _WORDS:
        return [_Token(_WORDS[word])], at
    field, colon, value = word.partition(":")
    if not colon:
        return [_Token("word", word)], at
    if field.lower() not in _FIELDS:
        known = ", ".join(f"{name}:" for name in _FIELDS)
        raise PhotoQueryError(
            gettext(
                "“%(field)s:” is not known; the terms are %(known)s and a name with a colon needs quotes.",
                field=field,
                known=known,
            )
        )
    if not value and at < len(text) and text[at] in _QUOTES:
        value, at = _read_quoted(text, at + 1, text[at])
    elif value.isdecimal() and text[at : at + 1] == "+":
        value, at = value + "+", at + 1
    return [_Token("field", field.lower()), _Token("value", value)], at


def _read_quoted(text: str, at: int, quote: str) -> tuple[str, int]:
    end = text.find(_QUOTES[quote], at)
    if end < 0 and quote == "„":
        end = text.find("”", at)
    if end < 0:
        raise PhotoQueryError(gettext("A quotation mark is opened and not closed."))
    name = " ".join(text[at:end].split())
    if not name:
        raise PhotoQueryError(gettext("There is nothing between the quotation marks."))
    return name, end + 1
