import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from classface_assets.core.languages import (
    ENGLISH,
    LANGUAGES,
    format_long_date,
    format_names,
    format_number,
    gettext,
    negotiate_language,
    ngettext,
    read_catalog,
    read_sentence,
    script_texts,
    sentence,
    stored_sentence,
    text_direction,
    use_language,
)
from classface_assets.devtools.texts import extract_texts

PACKAGE = Path(__file__).parents[2] / "classface_assets"
TRANSLATED = sorted(set(LANGUAGES) - {ENGLISH})
PLACEHOLDER = re.compile(r"%\(\w+\)s|%%|</?\w+[^>]*>")
TOKEN = re.compile(
    r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<(?:[^>{\"]|\{\{.*?\}\}|\{%.*?%\}|\"(?:[^\"{]|\{\{.*?\}\}|\{%.*?%\})*\")*>", re.S
)
SHOWN_ATTRIBUTE = re.compile(
    r"\b(?:aria-label|title|placeholder|alt|data-some|data-one|data-many|data-more|data-none)"
    r"=\"((?:[^\"{]|\{\{.*?\}\}|\{%.*?%\})*)\"",
    re.S,
)
NOT_TEXT = re.compile(
    r"\{% trans.*?\{% endtrans %\}|<(code|kbd|pre|script)\b.*?</\1>|&\w+;|\bclassface\b|\bUTC\b", re.S
)


def forms_of(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def messages_of(catalog: Catalog) -> Iterator[Message]:
    return (message for message in catalog if message.id)


def untranslated_literals(template: str) -> list[str]:
    """Words in the text nodes and shown attributes of a template that are in no call of gettext."""
    rest = NOT_TEXT.sub(" ", template)
    texts = TOKEN.split(rest)
    attributes = [re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", found) for found in SHOWN_ATTRIBUTE.findall(rest)]
    return [text.strip() for text in (*texts, *attributes) if re.search(r"[A-Za-z]{2,}", text)]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    file = tmp_path_factory.mktemp("texts") / "classface.pot"
    extract_texts(file)
    with file.open("rb") as opened:
        return read_po(opened)


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalog_has_the_texts_of_the_code_and_no_others(language: str, template: Catalog) -> None:
    catalog = {(message.context, message.id) for message in messages_of(read_catalog(language))}
    code = {(message.context, message.id) for message in messages_of(template)}
    assert len(code) > 600
    assert (code - catalog, catalog - code) == (set(), set()), "run `make texts`, then translate what is new"


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated_in_every_plural_form_with_the_same_placeholders(language: str) -> None:
    catalog, wrong = read_catalog(language), []
    for message in messages_of(catalog):
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        forms = forms_of(message)
        expected = 1 if len(ids) == 1 else catalog.num_plurals
        needed = set(PLACEHOLDER.findall(ids[-1]))
        if len(forms) != expected or message.fuzzy or not all(form.strip() for form in forms):
            wrong.append((message.id, "is not translated"))
        for number, form in enumerate(forms):
            own = set(PLACEHOLDER.findall(form))
            # Where a form is of one number only, the number may be a word.
            if own != needed and not (number == 0 and own | {"%(num)s"} == needed):
                wrong.append((form, own ^ needed))
    assert wrong == []


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("de", {1: "1 Gesicht", 2: "2 Gesichter", 5: "5 Gesichter", 0: "0 Gesichter"}),
        ("fr", {0: "0 visage", 1: "1 visage", 2: "2 visages"}),
        ("es", {0: "0 caras", 1: "1 cara", 2: "2 caras"}),
        ("pl", {1: "1 twarz", 2: "2 twarze", 5: "5 twarzy", 12: "12 twarzy", 22: "22 twarze", 0: "0 twarzy"}),
        ("en", {0: "0 faces", 1: "1 face", 2000: "2,000 faces"}),
    ],
)
def test_a_number_has_the_plural_form_of_its_language(language: str, expected: dict[int, str]) -> None:
    with use_language(language):
        assert {number: ngettext("%(num)s face", "%(num)s faces", number) for number in expected} == expected


def test_a_sentence_that_was_stored_in_english_is_shown_in_every_language_with_what_stands_in_it() -> None:
    english = sentence("%(what)s: %(reason)s", what="a%b.jpg", reason=sentence("the file is empty"))
    assert english == "a%b.jpg: the file is empty"
    stored = json.loads(json.dumps(stored_sentence(english)))
    with use_language("pl"):
        assert read_sentence(stored) == "a%b.jpg: plik jest pusty"
    assert read_sentence(stored) == english and stored_sentence("just a text") is None


def test_whole_numbers_in_a_sentence_are_written_as_in_the_language() -> None:
    stored = stored_sentence(sentence("%(folder)s %(missing)s of %(all)s", folder="a", missing=1200, all=2000))
    assert stored is not None and read_sentence(stored) == "a 1,200 of 2,000"
    with use_language("de"):
        assert read_sentence(stored) == "a 1.200 von 2.000"


def test_a_text_that_no_catalog_has_is_shown_as_it_is_stored() -> None:
    with use_language("de"):
        assert read_sentence({"text": "100% of a newer version", "values": {}}) == "100% of a newer version"


def templates() -> list[Path]:
    pages = (PACKAGE / "review" / "templates").glob("*.j2")
    return sorted([*pages, *PACKAGE.glob("albums/templates/*.j2")])


@pytest.mark.parametrize("page", templates(), ids=lambda page: f"{page.parts[-3]}-{page.name}")
def test_a_template_shows_no_words_that_are_in_no_catalog(page: Path) -> None:
    assert untranslated_literals(page.read_text(encoding="utf-8")) == []


def test_words_outside_gettext_are_found_in_texts_and_attributes() -> None:
    assert untranslated_literals('<p title="{{ _("A") }} of">{% if a > b %}Some {{ words }}{% endif %}</p>') == [
        "Some",
        "of",
    ]
    assert untranslated_literals('<p>{{ _("Some words") }} {% trans %}and <b>more</b>{% endtrans %}</p>') == []


def test_dates_numbers_and_lists_are_written_as_in_the_language() -> None:
    day, names = date(2019, 6, 12), ["Anna", "Ben", "Cem"]
    written = {}
    for language in LANGUAGES:
        with use_language(language):
            written[language] = (
                format_long_date(day),
                format_number(12345).replace("\u202f", " ").replace("\xa0", " "),
                format_names(names),
            )
    assert written == {
        "en": ("12 June 2019", "12,345", "Anna, Ben and Cem"),
        "de": ("12. Juni 2019", "12.345", "Anna, Ben und Cem"),
        "fr": ("12 juin 2019", "12 345", "Anna, Ben et Cem"),
        "es": ("12 de junio de 2019", "12.345", "Anna, Ben y Cem"),
        "pl": ("12 czerwca 2019", "12 345", "Anna, Ben i Cem"),
    }


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("nl,pl;q=0.5,fr;q=0.7", "fr"),
        ("en-GB,de", "en"),
        ("nl", "en"),
        ("de;q=0,es", "es"),
        ("*;q=x,,;", "en"),
        ("", "en"),
    ],
)
def test_the_language_is_the_first_one_accepted_that_there_is(accepted: str, expected: str) -> None:
    assert negotiate_language(accepted) == expected


def test_a_language_without_a_catalog_has_english_texts_and_its_own_direction() -> None:
    with use_language("ar"):
        assert gettext("Undo") == "Undo"
    assert (text_direction("ar"), text_direction("pl")) == ("rtl", "ltr")


def test_scripts_get_the_texts_that_they_ask_for_and_no_others() -> None:
    texts = script_texts("pl")
    assert texts["%(num)s face"] == ["%(num)s twarz", "%(num)s twarze", "%(num)s twarzy"]
    assert "Undo" in texts and "Back row" not in texts
    assert script_texts("en") == {}
