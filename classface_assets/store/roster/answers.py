"""What an answer to a question of consent means: yes, no, no answer, or in doubt, which counts as a refusal.

An answer is understood only as a whole: `No - internal only` and `Yes, but ask first` are in doubt.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache

from classface_assets.store.model.purposes import Purpose
from classface_assets.store.roster.consent_titles import ConsentColumn
from classface_assets.store.roster.titles import strip_accents, word_list

MAX_ANSWER_LENGTH = 200


class Answer(Enum):
    """The meaning of a cell.

    `REFUSAL` names what is refused, and means the same below every title; a bare `NO` depends on the question.
    """

    YES = "yes"
    NO = "no"
    REFUSAL = "refusal"
    DOUBT = "doubt"


_YES = frozenset(
    word_list(
        """
    yes y yep yeah true t 1 x ok okay ja j oui si s sim da да д evet tak ano kylla igen jah taip так ναι نعم
    כן はい 是 有 예 네 o given granted agreed agree agrees accepted accept accepts consented consents
    approved allowed permitted authorised authorized erteilt erlaubt einverstanden zugestimmt genehmigt liegt
    vor accorde accordee accepte autorise autorisee concedido concedida aceptado acepta autoriza autorizo
    autorizan acepto autorizzo permite stimme einwillige autorizado autorizada concesso concessa accettato
    autorizzato autorizzata aceito toegestaan akkoord gegeven godkant godkanns gitt givet godkjent wyrazono
    wyrazona wyrazam udelen souhlasim согласен согласна согласны дано разрешено veriyorum onayliyorum verildi
    同意 同意する 同意します 許可 可 동의 동의함 동의합니다
    """
    )
)
_NO = frozenset(
    word_list(
        """
    no n nope false f 0 nein non nao nee nej nei niet nie ne ei nem нет н ні hayir نه لا לא όχι οχι いいえ 否
    不 无 아니요 아니오 never
    """
    )
)
_NEGATIVE = frozenset(
    word_list(
        """
    not dont cannot kein keine keinen keiner nicht ohne pas sans sin geen zonder inte ingen inga ej ikke uten
    uden brak bez не без nessun nessuna nenhum nenhuma without yok degil
    """
    )
)
_REFUSED = word_list(
    """
    refus denied deny declin withh withdr revok reject disagree optout optedout objects objected prohibit
    forbid verweiger abgelehnt abgelehn widerruf widersproch untersagt verboten interdit retire denegad
    rechazad prohibid revocad rifiut vietat negat recusad proibid geweigerd weiger bezwaar nekad nekar avslag
    avslatt nektet afslaet odmow odmit zamitn nesouhlas nesuhlas отказ запрещ reddet yasak 不同意 拒否 拒绝
    拒絕 不可 禁止 거부 불가 미동의
    """
)
_FILLED = frozenset(
    word_list(
        """
    photo photos photograph photographs photography photographed picture pictures image images foto fotos
    fotografie fotografiert fotografieren bild bilder aufnahmen photographie photographies imagen imagenes
    foto's immagine immagini consent permission authorisation authorization release approval einwilligung
    zustimmung erlaubnis einverstandnis autorisation consentement accord permiso autorizacion consentimiento
    consenso autorizzazione permesso consentimento autorizacao toestemming samtycke samtykke zgody zgoda
    souhlas согласия согласие izin please thanks thank you bitte danke merci given granted do does publish
    published share shared use used take taken be is are was i we my our the to for of any at has have been
    signed wish want ist sind werden wird hat den der die das le la les de du des il lo zu ich wir je nous se
    me su mi
    """
    )
)
_NOT_SIGNS = frozenset("✗✘✖❌×╳🚫⛔☐")
_YES_SIGNS = frozenset("✓✔☑✅○◯〇◎")
_BARE_NO_SIGNS = frozenset({"-", "–", "—", "☐", "0"})


@dataclass(frozen=True)
class ConsentAnswer:
    """The answers of one row.

    Attributes:
        every: The answer for all purposes, None where there is none.
        single: Purpose -> the answer for it alone.
        doubt: The answers that could not be understood, which refuse everything.
    """

    every: bool | None = None
    single: Mapping[str, bool] = field(default_factory=dict)
    doubt: str = ""

    @property
    def refuses(self) -> bool:
        """Whether anything is refused."""
        return self.every is False or bool(self.doubt) or False in self.single.values()


@lru_cache(maxsize=4096)
def parse_answer(text: str) -> Answer | None:
    """The meaning of a cell; None when it is empty."""
    shown = "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Mn", "Cc")).strip()
    if not shown:
        return None
    if shown in _BARE_NO_SIGNS:
        return Answer.NO
    signs = set(shown) - {" "}
    if signs <= _NOT_SIGNS:
        return Answer.REFUSAL
    if signs <= _YES_SIGNS:
        return Answer.YES
    return Answer.DOUBT if not signs.isdisjoint("?？") else _classify_words(_words(text))


def is_answer(text: str) -> bool:
    """Whether a cell looks like a yes or a no."""
    return parse_answer(text) in (Answer.YES, Answer.NO, Answer.REFUSAL)


def combine_answers(cells: Sequence[tuple[ConsentColumn, str]]) -> ConsentAnswer:
    """The strictest combination of the answers of one row.

    Args:
        cells: (column, text) of the cells about consent.
    """
    every: list[bool] = []
    single: dict[str, bool] = {}
    doubts: list[str] = []
    for column, text in cells:
        excepted = _excepted_purposes(column, text)
        answer = True if excepted else _answer_of_column(column, text)
        if isinstance(answer, str):
            doubts.append(answer)
        elif answer is not None and column.purposes:
            single |= {p: answer and single.get(p, True) for p in map(str, column.purposes)}
        elif answer is not None and not (answer and column.elsewhere):
            every.append(answer)
        single |= dict.fromkeys(map(str, excepted), False)
    all_of_them = all(every) if every else None
    if all_of_them is False:
        single = {purpose: given for purpose, given in single.items() if not given}
    return ConsentAnswer(all_of_them, single, _shorten("; ".join(doubts)))


def _answer_of_column(column: ConsentColumn, text: str) -> bool | str | None:
    """True, False, None where there is no answer, or the answer as it was written where it is in doubt."""
    answer = parse_answer(text)
    if answer is None or (column.refuses and answer is Answer.NO):
        return None
    yes = answer is Answer.YES
    written = " ".join(text.split())
    if column.uncertain:
        doubt = f"{column.title}: {written}"
        return doubt if answer in (Answer.DOUBT, Answer.REFUSAL) or yes is column.refuses else None
    if answer is Answer.DOUBT:
        return written
    return yes and not column.refuses


def _excepted_purposes(column: ConsentColumn, text: str) -> frozenset[Purpose]:
    """The purposes that `Yes, but not website` excepts, below a title that asks of all; none where not all is clear."""
    if column.refuses or column.uncertain or column.elsewhere or column.purposes:
        return frozenset()
    match = _EXCEPT.fullmatch(" ".join(_words(text)))
    words = [word for word in match[1].split() if word not in _AND] if match else []
    known = all(word in _PURPOSE_WORDS for word in words)
    return frozenset(_PURPOSE_WORDS[word] for word in words) if known else frozenset()


_EXCEPT = re.compile(
    r"(?:yes|y|ja|oui|si|sim|tak|ano|да)(?: but| aber| mais| pero| ma| mas)? "
    r"(?:not|no|except|excluding|nicht|kein|keine|ausser|sauf|pas|excepto|menos|tranne|exceto|niet|ikke|inte) (.+)"
)
_AND = frozenset(word_list("and or the on in for und oder im et ou le la les y o el e il our"))
_PURPOSE_WORDS = {
    word: purpose
    for purpose, words in (
        (Purpose.WEB, "web website internet online homepage facebook instagram"),
        (Purpose.YEARBOOK, "yearbook yearbooks jahrbuch annuaire anuario annuario"),
        (Purpose.ALBUM, "album albums print prints"),
    )
    for word in word_list(words)
}


def _words(text: str) -> list[str]:
    plain = strip_accents(text.replace("’", "'").replace("n't", "nt"))
    plain = re.sub(r"\bopt(?:ed|s|ing)?[\s-]*out\b", "optout", plain)
    return re.findall(r"[^\W_]+", plain)


def _classify_words(words: list[str]) -> Answer:
    if not words:
        return Answer.DOUBT
    no, negative = [w for w in words if w in _NO], [w for w in words if w in _NEGATIVE]
    refused = [w for w in words if any(w.startswith(stem) or (stem[0] > "\u2e80" and stem in w) for stem in _REFUSED)]
    yes = [w for w in words if w in _YES and w not in refused]
    rest = [w for w in words if w not in (*no, *negative, *refused, *yes) and w not in _FILLED]
    if rest:
        return Answer.DOUBT
    if yes and not (no or negative or refused):
        return Answer.YES
    if no and len(no) == len(words):
        return Answer.NO
    against = bool(no) + bool(negative) + bool(refused)
    given = [w for w in yes if len(w) > 3]
    if against != 1 or (yes and (len(given) != len(yes) or refused)):
        return Answer.DOUBT  # `Y/N`, `not refused`, `no, not given`
    return Answer.REFUSAL


def _shorten(text: str) -> str:
    plain = " ".join("".join(" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in text).split())
    return plain if len(plain) <= MAX_ANSWER_LENGTH else plain[: MAX_ANSWER_LENGTH - 1] + "…"
