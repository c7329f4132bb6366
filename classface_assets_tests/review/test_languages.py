"""Pages in the language of the browser, or in the one that was chosen in them; laid out from right to left too."""

from html import unescape

import pytest
from playwright.sync_api import Browser, Page, expect

from classface_assets.core.languages import LANGUAGES, use_language
from classface_assets.review.pages.components.layout import template_environment
from classface_assets_tests.conftest import World
from classface_assets_tests.support.accessibility import axe_violations
from classface_assets_tests.support.clients import API, Client
from classface_assets_tests.support.helpers import TOKEN
from classface_assets_tests.support.windows import browser, open_window, photo_with_most_faces
from classface_assets_tests.vision.photos.test_limits import a_very_long_png

__all__ = ["browser"]
pytestmark = pytest.mark.slow
WHO_IS_THIS = {
    "en": "Who is this?",
    "de": "Wer ist das?",
    "fr": "Qui est-ce ?",
    "es": "¿Quién es?",
    "pl": "Kto to jest?",
}


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_a_page_is_in_the_language_that_the_browser_asks_for_and_the_api_in_english(served: str) -> None:
    for accepted, language in {
        "de-CH,de;q=0.9": "de",
        "pl": "pl",
        "fr-CA": "fr",
        "es": "es",
        "nl": "en",
        "": "en",
    }.items():
        client = Client(
            served, {"Authorization": f"Bearer {TOKEN}", "Accept-Language": accepted, "Accept": "text/html"}
        )
        page = client.get("/").body.decode()
        assert f'<html lang="{language}" dir="ltr">' in page and WHO_IS_THIS[language] in page
        assert b"There is no person" in client.get(f"{API}/persons/00000000-0000-4000-8000-000000000000").body
        help_page = client.get("/help").body.decode()
        assert f'<html lang="{language}" dir="ltr">' in help_page and 'class="prose" lang="en"' in help_page


def test_a_language_chosen_in_the_page_is_remembered_and_names_are_given_in_it(
    world: World, served: str, browser: Browser
) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}, locale="en-US") as context:
        window = open_window(context.new_page(), served, world)
        page = window.page
        page.goto(served)
        page.get_by_label("Language").select_option("Polski")
        expect(page.get_by_role("heading", name=WHO_IS_THIS["pl"])).to_be_visible()
        page.locator(".card [data-names]").first.fill("Łucja Żak")
        page.keyboard.press("Enter")
        window.toast("Łucja Żak")
        shown = page.locator("#toasts").inner_text()
        assert "twarz" in shown and "Cofnij" in shown, "also what scripts and the server's answers say"
        photo, _ = photo_with_most_faces(world)
        faces = ("/", "/people", "/confirm", "/photos", f"/photos/{photo}", f"/photos/{photo}/name", "/history")
        archive = ("/runs", "/settings", "/roster", "/regions", "/learning", "/help")
        for path in (*faces, *archive):
            page.goto(served + path)
            assert page.evaluate("document.documentElement.lang") == "pl" and fits(page), path
            page.evaluate("document.documentElement.dir = 'rtl'")
            assert fits(page), f"{path} from right to left"
        page.goto(f"{served}/people")
        page.evaluate("document.documentElement.dir = 'rtl'")
        assert axe_violations(page) == []
        assert window.errors == []


def test_what_is_wrong_with_a_request_is_said_in_the_language_of_the_page_and_by_the_api_in_english(
    served: str,
) -> None:
    german = {"Authorization": f"Bearer {TOKEN}", "Accept-Language": "de", "Accept": "text/html"}
    client, form = Client(served, german), {"Content-Type": "application/x-www-form-urlencoded"}

    def posted(path: str, body: bytes) -> str:
        return unescape(client.ask("POST", path, body, form).body.decode())

    assert "<p>page: es muss eine ganze Zahl sein</p>" in client.get("/people?page=x").body.decode()
    assert "Input should be a valid integer" in client.get(f"{API}/persons?page=x").json["detail"]
    assert "year: höchstens 2.000 Zeichen sind erlaubt" in posted("/years/set", b"folder=a&year=" + b"x" * 2_001)
    assert "Es gibt keinen Ordner 'nowhere' in" in posted("/years/set", b"folder=nowhere&year=2019-2020")
    assert "'x' ist kein Schuljahr" in posted("/years/set", b"folder=2016-2017&year=x")
    wide = client.upload("POST", "/search", [a_very_long_png()]).body.decode()
    assert "Keine Seite darf mehr als 30.000 haben" in wide
    refused = client.ask("POST", "/search", b"x" * 10, form | {"Origin": "http://evil.example"})
    assert refused.json["detail"].startswith("Diese Anfrage kam von der Seite einer anderen Website")


def test_a_language_that_there_is_not_is_refused(served: str) -> None:
    client = Client(served, {"Authorization": f"Bearer {TOKEN}"})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.ask("POST", "/language", b"language=xx", form).status == 404
    assert client.ask("POST", "/language", b"language=de&back=//evil.example", form).headers["Location"] == "/"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_template_can_be_compiled_in_every_language(language: str) -> None:
    environment = template_environment()
    with use_language(language):
        for name in environment.list_templates():
            assert environment.get_template(name).render is not None
