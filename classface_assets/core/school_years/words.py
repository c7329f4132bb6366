"""The words in a folder's name that tell what a number means: a graduation, a season, a month, a decade, a room.

In lower case and without accents, as `normalize_folder_name` writes a name; all languages in one list, since schools
mix them.
"""

import re
import unicodedata


def normalize_folder_name(name: str) -> str:
    """The name in lower case, without accents, with every digit and dash in its plain form."""
    split = unicodedata.normalize("NFKD", name.translate(_DASHES))
    return "".join(c for c in split if not unicodedata.combining(c)).casefold()


_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣－"), "-")
_GRADUATION = (
    r"class(?:es)? of|classof|co(?=\s?['’]\d)|graduat\w*|grads?|commencement|seniors|senior class|(?:school )?leavers?"
    r"|valedictory|convocation|prom|abi|abitur\w*|abi(?:ball|feier|streich|treffen|zeitung)\w*|abgang\w*|entlass\w*"
    r"|abschluss\w*|matur\w*|bac|baccalaureat|promo(?:tion)?|promocion|graduacion|graduad[oa]s|egresad[oa]s|egreso"
    r"|bachillerato|laurea\w*|diplom\w*|formatura|formand[oa]s|finalistas|eindexamen\w*|geslaagd\w*|studentexamen"
    r"|ylioppilaat|lakkiaiset|absolw\w*|absolvent\w*|ballagas|erettsegi|mezuniyet|выпуск\w*"
)
_SPRING = (
    r"spring|(?:lent|hilary) term|easter|fruhjahr\w*|fruhling\w*|oster(?:n|ferien|fest|feier|feuer|markt|basteln)"
    r"|fasching\w*|fastnacht\w*|karneval\w*|printemps|paques|primavera|pascua|pasqua|pascoa|voorjaar\w*|lente\w*"
    r"|pasen|wiosna|wielkanoc|jaro|tavasz|forar|kevat|весна"
)
_SUMMER = (
    r"summer|trinity term|sommer(?:s|fest\w*|ferien|konzert\w*|ball|lager\w*|semester|halbjahr)?|ete|verano|estate"
    r"|verao|zomer\w*|lato|leto|nyar|kesa|лето"
)
_AUTUMN = (
    r"autumn|fall|michaelmas|herbst\w*|automne|otono|autunno|outono|najaar\w*|herfst\w*|jesien|podzim|osz|høst"
    r"|efterar|syksy|осень"
)
_WINTER = r"winter(?:s|term|semester|halbjahr|fest\w*|ball|konzert\w*|sport\w*)?|hiver|invierno|inverno|zima|talvi|зима"
MONTH_NAMES = (
    "january|january|jan|januar|janner|janvier|janv|enero|ene|gennaio|janeiro|januari|styczen|январь",
    "february|feb|februar|feber|fevrier|fev|febrero|febbraio|fevereiro|februari|luty|февраль",
    "march|mar|marz|mrz|mars|marzo|marco|maart|marzec|март",
    "april|apr|avril|avr|abril|abr|aprile|kwiecien|апрель",
    "may|mai|mayo|maggio|maio|mei|maj|май",
    "june|jun|juni|juin|junio|giugno|junho|czerwiec|июнь",
    "july|jul|juli|juillet|juil|julio|luglio|julho|lipiec|июль",
    "august|aug|aout|agosto|augustus|sierpien|август",
    "september|sept|sep|septembre|septiembre|settembre|setembro|wrzesien|сентябрь",
    "october|oct|oktober|okt|octobre|octubre|ottobre|outubro|pazdziernik|октябрь",
    "november|nov|novembre|noviembre|novembro|listopad|ноябрь",
    "december|dec|dezember|dez|decembre|diciembre|dic|dicembre|dezembro|grudzien|декабрь",
)
_NUMBERED = (
    r"room|rm|raum|zimmer|salle|lokaal|building|bldg|gebaude|batiment|edificio|etage|nr|no|n°|num|numero|nummer|number"
    r"|bus|route|linie|locker|spind|plz|zip|postfach|roll|rolle|page|seite|id"
)
_MEASURES = r"px|pixels?|dpi|mm|km|kb|mb|gb|meters?|metres?|eur|euros?|usd|dollars?|pounds?|€|\$|£"
_PREFIX = (
    r"sy|sj|ay|school ?years?|academic ?years?|schuljahr(?:e|es)?|schooljaar|annee ?scolaire|ano ?escolar"
    r"|curso(?: ?escolar)?|ano ?letivo|anno ?scolastico|a\.?s\.?|rok ?szkolny|skolni ?rok|laesar|skolear|lasar"
    r"|tanev|учебный ?год"
)


def _whole_words(words: str) -> re.Pattern[str]:
    """A pattern for these words, not as parts of longer ones; digits and `_` may touch them."""
    return re.compile(rf"(?<![^\W\d_])(?:{words})(?![^\W\d_])")


GRADUATION_PATTERN = _whole_words(_GRADUATION)
SHORT_GRADUATION_PATTERN = re.compile(
    rf"(?<![^\W\d_])(?:(?:class(?:es)? of|abi(?:tur)?)\s*['’]?|(?:{_GRADUATION})\s*['’])(\d\d)(?!\d)"
)
OTHER_SCRIPTS_GRADUATION_PATTERN = re.compile("卒業|毕业|畢業|졸업")
SEASON_PATTERNS = {  # a day within each season's term, of the northern half of the year
    "spring": (_whole_words(_SPRING), (4, 15)),
    "summer": (_whole_words(_SUMMER), (6, 15)),
    "autumn": (_whole_words(_AUTUMN), (10, 15)),
    "winter": (_whole_words(_WINTER), (12, 15)),
}
MONTH_PATTERN = re.compile(
    "|".join(rf"(?P<m{n}>{_whole_words(words).pattern})" for n, words in enumerate(MONTH_NAMES, 1))
)
DECADE_PATTERN = re.compile(
    r"(?<!\d)(?:19|20)?\d0['’]?(?:s|er|ers|ties)(?![^\W\d_])(?:[\s-]?jahren?)?"
    r"|(?<![^\W\d_])(?:decade|dekade|jahrzehnt|annees|anos|anni|lata|jaren)[\s_-]*(?:(?:19|20)?\d0)(?!\d)"
)
NUMBERED_PATTERN = re.compile(
    rf"(?<![^\W\d_])(?:{_NUMBERED})\.?[\s_.:#-]*(?P<number>\d{{4}})(?!\d)|#\s?(?P<bare>\d{{4}})(?!\d)"
)
MEASURE_PATTERN = re.compile(rf"(?<!\d)(?P<number>\d{{4}})(?:m|\s?(?:{_MEASURES}))(?![^\W\d_])")
PREFIXED_PAIR_PATTERN = re.compile(
    rf"(?<![^\W\d_])(?:{_PREFIX})[\s._:-]*['’]?(?P<first>\d\d)\s?(?P<joint>[-_/.+&]?)\s?['’]?(?P<second>\d\d)(?!\d)"
)
