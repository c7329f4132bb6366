"""The languages of pages and albums: which one is in use, its texts, and how it writes numbers, dates and lists.

Texts are marked in the code with `gettext` and `ngettext` (in templates `_` and `{% trans %}`), as English sentences
with named placeholders. Their translations are in `locale/<language>/LC_MESSAGES/classface.po`, which Babel reads at
first use. What has no language set, such as a command, is English.
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog
    from jinja2 import Environment
    from jinja2.runtime import Context

ENGLISH = "en"
LANGUAGES = {ENGLISH: "English", "de": "Deutsch", "fr": "Français", "es": "Español", "pl": "Polski"}
"""The languages that there are texts of, by ISO 639 code, as each calls itself."""
LOCALE_FOLDER = Path(__file__).parents[1] / "locale"
_current: ContextVar[str] = ContextVar("language", default=ENGLISH)


def current_language() -> str:
    """The code of the language in use: of this request, or of the albums that are being made."""
    return _current.get()


@contextmanager
def use_language(language: str) -> Iterator[None]:
    """Texts, numbers and dates are in this language within the block; one without a catalog has English texts."""
    before = _current.set(language)
    try:
        yield
    finally:
        _current.reset(before)


def negotiate_language(accepted: str) -> str:
    """The language that an `Accept-Language` header asks for first, of those that there are; else English.

    >>> negotiate_language("de-AT,de;q=0.9,en;q=0.8")
    'de'
    """
    from babel import negotiate_locale

    weighted = []
    for entry in accepted.split(",")[:20]:
        code, _, weight = entry.strip().partition(";q=")
        try:
            weighted.append((float(weight or 1), code))
        except ValueError:
            continue
    wanted = [code for weight, code in sorted(weighted, key=lambda one: -one[0]) if weight > 0 and code]
    return negotiate_locale(wanted, LANGUAGES, sep="-") or ENGLISH


def text_direction(language: str) -> str:
    """`ltr`, or `rtl` where the language is written from right to left."""
    if language in LANGUAGES:  # none of them is, and English pages need no Babel
        return "ltr"
    from babel import Locale

    return Locale.parse(language, sep="-").text_direction


def translated(singular: str, plural: str = "", number: int = 1) -> str:
    """A text in the language in use, with its placeholders as they are."""
    if not singular:
        return ""  # which is the id of a catalog's header
    catalog = _translations(_current.get())
    return catalog.ngettext(singular, plural, number) if plural else catalog.gettext(singular)


def gettext(message: str, /, **values: object) -> str:
    """The text in the language in use, with its placeholders such as `%(name)s` filled in; `%%` is a per cent sign."""
    return translated(message) % values


def ngettext(singular: str, plural: str, number: int, /, **values: object) -> str:
    """The text for this number, which it has as `%(num)s`."""
    return translated(singular, plural, number) % ({"num": format_number(number)} | values)


class Sentence(str):
    """A text in the language in use that can be stored, and shown in another one later.

    Attributes:
        message: Its English, with placeholders.
        values: What they stand for: other sentences, numbers, and what is the same in every language.
    """

    __slots__ = ("message", "values")
    message: str
    values: Mapping[str, object]


def sentence(message: str, /, **values: object) -> Sentence:
    """A text as of `gettext`, with numbers as the language writes them; without values `%` stands for itself.

    Numbers that are not whole have one digit after the decimal sign.
    """
    text = translated(message)
    if values:
        text %= {name: _shown_value(value) for name, value in values.items()}
    made = Sentence(text)
    made.message, made.values = message, values
    return made


def _shown_value(value: object) -> object:
    if isinstance(value, float):
        return format_fraction(value)
    return format_number(value) if type(value) is int else value


def stored_sentence(text: str) -> dict[str, Any] | None:
    """A sentence as JSON holds it; None of any other text, which is in one language for good."""
    if not isinstance(text, Sentence):
        return None
    values = {
        name: (stored_sentence(value) or value)
        if isinstance(value, str)
        else value
        if type(value) in (int, float)
        else str(value)
        for name, value in text.values.items()
    }
    return {"text": text.message, "values": values}


def read_sentence(stored: Mapping[str, Any]) -> Sentence:
    """What `stored_sentence` made, in the language in use."""
    values = {n: read_sentence(v) if isinstance(v, Mapping) else v for n, v in stored["values"].items()}
    return sentence(stored["text"], **values)


def marked(message: str) -> str:
    """The message itself: marks a constant for the catalogs, which `gettext` translates where it is shown."""
    return message


def marked_plural(singular: str, plural: str) -> tuple[str, str]:
    """Both forms of a text themselves, as `marked` for one that depends on a number."""
    return singular, plural


def format_number(number: int) -> str:
    """A whole number with the language's separators, such as `2,000`."""
    language = _current.get()
    if language == ENGLISH:
        return f"{number:,}"
    from babel.numbers import format_decimal

    return format_decimal(number, locale=_locale(language))


def format_fraction(number: float, digits: int = 1) -> str:
    """A number with so many digits after the language's decimal sign."""
    language = _current.get()
    if language == ENGLISH:
        return f"{number:,.{digits}f}"
    from babel.numbers import format_decimal

    return format_decimal(round(number, digits), format=f"#,##0.{'0' * digits}", locale=_locale(language))


def format_percent(share: float) -> str:
    """A share from 0 to 1 in whole per cent, such as `45%`."""
    language = _current.get()
    if language == ENGLISH:
        return f"{share:.0%}"
    from babel.numbers import format_percent as babel_percent

    return babel_percent(share, locale=_locale(language))


def format_long_date(day: date) -> str:
    """A day with its month in letters, such as `12 June 2019`."""
    return _long_date(day, _current.get())


@lru_cache(maxsize=4_096)  # tens of thousands of photos were taken on a few thousand days
def _long_date(day: date, language: str) -> str:
    from babel.dates import format_date

    return format_date(day, "d MMMM y" if language == ENGLISH else "long", locale=_locale(language))


def format_short_date(day: date) -> str:
    """A day in few characters; `2019-06-12` in English."""
    language = _current.get()
    if language == ENGLISH:
        return f"{day:%Y-%m-%d}"
    from babel.dates import format_date

    return format_date(day, "medium", locale=_locale(language))


def format_names(names: Iterable[str]) -> str:
    """Names as a list in a sentence, such as `Anna, Ben and Cem`."""
    language, listed = _current.get(), list(names)
    if language == ENGLISH or not listed:
        *most, last = listed or [""]
        return f"{', '.join(most)} and {last}" if most else last
    from babel.lists import format_list

    return format_list(listed, locale=_locale(language))


def script_texts(language: str) -> Mapping[str, str | list[str]]:
    """The translations of the texts in the pages' scripts: English text → text, or the plural forms by number."""
    return {} if language not in LANGUAGES else _script_texts(language)


def install_translations(environment: "Environment") -> None:
    """Give a Jinja environment the language in use: `_`, `ngettext`, `{% trans %}`, filters for numbers and dates."""
    from jinja2 import pass_context
    from markupsafe import Markup

    @pass_context
    def translate_counted(context: "Context", singular: str, plural: str, number: int, /, **values: Any) -> str:
        text = translated(singular, plural, number)
        return (Markup(text) if context.eval_ctx.autoescape else text) % ({"num": format_number(number)} | values)

    environment.add_extension("jinja2.ext.i18n")
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        translated, translated, newstyle=True, pgettext=_translated_in_context
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.globals.update(
        ngettext=translate_counted, current_language=current_language, text_direction=text_direction
    )
    environment.filters.update(
        number=format_number,
        fraction=format_fraction,
        percent=format_percent,
        long_date=format_long_date,
        short_date=format_short_date,
    )


def _translated_in_context(context: str, message: str) -> str:
    """A text whose English has several meanings, in the one of the context."""
    return _translations(_current.get()).pgettext(context, message)


def read_catalog(language: str) -> "Catalog":
    """The catalog of a language: its messages with their translations and the files that they are in."""
    from babel.messages.pofile import read_po

    with (LOCALE_FOLDER / language / "LC_MESSAGES" / "classface.po").open("rb") as file:
        return read_po(file, locale=language)


def _locale(language: str) -> str:
    return language.replace("-", "_")


@cache
def _translations(language: str) -> NullTranslations:
    if language == ENGLISH or language not in LANGUAGES:
        return NullTranslations()
    from babel.messages.mofile import write_mo

    compiled = io.BytesIO()
    write_mo(compiled, read_catalog(language))
    compiled.seek(0)
    return GNUTranslations(compiled)


@cache
def _script_texts(language: str) -> dict[str, str | list[str]]:
    if language == ENGLISH:
        return {}
    found: dict[str, str | list[str]] = {}
    for message in read_catalog(language):
        if any(file.endswith(".js") for file, _ in message.locations):
            if isinstance(message.id, str):
                found[message.id] = str(message.string)
            else:
                found[message.id[0]] = [str(form) for form in message.string or ()]
    return found
