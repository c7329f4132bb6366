import json

import pytest

from classface_assets.core.faces.photo_reasons import PhotoReason, reason_sentence
from classface_assets.core.languages import LANGUAGES, read_sentence, stored_sentence, use_language
from classface_assets.vision.photos.limits import PictureLimits, size_problem

VALUES = {
    "size": 1.2,
    "most": 200_000,
    "why": "permission denied",
    "ending": ".mp4",
    "width": "300000",
    "height": "3",
    "needed": 12.5,
    "allowed": 4.3,
    "format": "PNG",
    "mode": "CMYK",
    "seconds": 60,
    "error": "ValueError",
    "others": "2",
    "pages": "3",
    "path": "2019-2020/a%b.jpg",
}


def phrase_of(reason: PhotoReason) -> str:
    return reason.phrase(**{name: value for name, value in VALUES.items() if f"%({name})s" in reason.value})


@pytest.mark.parametrize("reason", PhotoReason)
def test_every_phrase_is_read_back_by_its_own_template_and_shown_in_every_language(reason: PhotoReason) -> None:
    phrase = phrase_of(reason)
    found = reason_sentence(phrase)
    assert found == phrase and found.message == reason.value
    shown = {phrase}
    for language in LANGUAGES:
        with use_language(language):
            assert phrase_of(reason) == phrase, "what is stored is English"
            shown.add(reason_sentence(phrase))
            assert read_sentence(json.loads(json.dumps(stored_sentence(found)))) == reason_sentence(phrase)
    assert len(shown) == len(LANGUAGES)


def test_numbers_in_a_reason_are_written_as_the_language_does() -> None:
    too_wide = size_problem((300_000, 3), "RGB", "PNG")
    too_much = size_problem((20_000, 10_000), "RGBA", "PNG", PictureLimits(decode_bytes=1_500_000_000))
    assert too_wide == "300000 × 3 pixels: no side may have more than 200,000"
    assert too_much is not None
    with use_language("de"):
        assert reason_sentence(too_wide) == "300000 × 3 Pixel: Keine Seite darf mehr als 200.000 haben"
        assert "bräuchte 2,4 GB Speicher, mehr als 1,5:" in reason_sentence(too_much)


def test_the_reason_of_a_file_that_cannot_be_opened_is_translated_with_what_the_system_says() -> None:
    with use_language("pl"):
        assert reason_sentence("cannot be opened: permission denied") == "nie można go otworzyć: odmowa dostępu"
        assert reason_sentence("cannot be opened: 100% odd") == "nie można go otworzyć: 100% odd"


def test_what_another_version_worded_otherwise_stays_as_it_is() -> None:
    with use_language("de"):
        assert reason_sentence("it has %(too)s many pixels, 100% of them") == "it has %(too)s many pixels, 100% of them"
        assert reason_sentence("") == ""
