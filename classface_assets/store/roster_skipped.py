"""Lines of a roster that are no student: totals, numbers of pages, titles that stand again at the head of a page."""

import re
from collections.abc import Sequence

from classface_assets.store.roster_titles import bare, listed


def _any_of(words: str) -> str:
    return f"(?:{'|'.join(re.escape(word).replace('_', ' ') for word in listed(words))})"


_PEOPLE = _any_of(
    """students student pupils pupil children records rows entries schuler schulerinnen eleves alumnos alunni alunos
    leerlingen elever uczniow zaku учеников 名 人 명"""
)
_OF = rf"(?: (?:of|der|de|des|di|{_PEOPLE}))*"
_COUNT = r"\s*[:=]?\s*\d[\d.,\s]*"
_SUM = _any_of(
    """total totals subtotal grand_total summe gesamt gesamtzahl gesamtsumme insgesamt anzahl somme effectif razem
    totale totaal totalt celkem spolu osszesen toplam итого всего разом 合計 総計 总计 合计 합계 총계"""
)
# These are names of people too where no number follows.
_SUM_OR_NAME = _any_of("sum count suma number nombre numero liczba pocet количество")
_TOTAL = re.compile(rf"(?:{_PEOPLE} )?{_SUM}{_OF}\s*:?(?:{_COUNT}{_PEOPLE}?)?|{_SUM_OR_NAME}{_OF}{_COUNT}")
_PAGE = (
    _any_of("page seite pagina p. strona strana stranka str. sida side sayfa oldal страница стр ページ 页 페이지")
    + r"\.?\s*[:#]?\s*\d+(?:\s*(?:of|/|von|de|sur|di|van|z|ze|av|af|из|-)\s*\d+)?"
)
_PRINTED = (
    _any_of(
        """printed generated exported created produced report_date as_of gedruckt erstellt stand imprime genere impreso
        generado stampato afgedrukt utskriven wydrukowano vytisteno распечатано"""
    )
    + r"\b(?: (?:on|am|le|el|il|op|dnia|by|from|at))?\s*:?.*\d.*"
)
_END = (
    r"(?:\* ?)*(?:end of (?:report|list|file|document|roster|page)|ende (?:der liste|des berichts)"
    r"|fin (?:de|du) (?:la |l )?(?:liste|lista|rapport|informe|document)|fine (?:elenco|rapporto)"
    r"|koniec (?:raportu|listy)|конец (?:отчета|списка)|以上)(?: ?\*)*"
)
_NOTICE = _any_of("confidential vertraulich confidentiel confidencial riservato copyright ©") + "(?:[ :,.-].*)?"
_FOOTER = re.compile(rf"{_PAGE}|{_PRINTED}|{_END}|{_NOTICE}|\d+ ?{_PEOPLE}(?: .*)?")

_MOST_WORDED = 3
"""Cells with letters that a footer has at most."""


def why_no_student(row: Sequence[str], header: Sequence[str], answers: Sequence[str]) -> str:
    """Why a line is not a student's; empty where it may be one. `answers`: its cells in columns of consent, for a line
    that holds a word there is never passed over."""
    cells = [cell.strip() for cell in row if cell.strip()]
    if _is_header(row, header):
        return "the titles again"
    if any(any(c.isalpha() for c in answer) for answer in answers):
        return ""
    if not any(c.isalnum() for cell in cells for c in cell):
        return "no letters"
    worded = [cell for cell in cells if any(c.isalpha() for c in cell)]
    if not worded:
        return "no letters" if len(cells) == 1 else ""
    if len(worded) > _MOST_WORDED:
        return ""
    worded = [bare(cell).strip() for cell in worded]
    if all(_TOTAL.fullmatch(cell) for cell in worded):
        return "a total"
    return "a footer" if all(_FOOTER.fullmatch(cell) or _TOTAL.fullmatch(cell) for cell in worded) else ""


def _is_header(row: Sequence[str], header: Sequence[str]) -> bool:
    titles = [(title.split(), cell.split()) for title, cell in zip(header, row, strict=False) if title.strip()]
    same = sum(title == cell for title, cell in titles)
    return bool(titles) and (same == len(titles) or (same >= 2 and same * 2 >= len(titles)))
