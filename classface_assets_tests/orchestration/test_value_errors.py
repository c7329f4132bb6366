from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, ValidationError

from classface_assets.core.languages import LANGUAGES, use_language
from classface_assets.orchestration.settings.value_errors import value_error_text
from classface_assets.orchestration.settings.values import SettingsError, parse_settings


class Form(BaseModel):
    """Every kind of field that the pages' forms have."""

    required: str
    short: Annotated[str, Field(min_length=3)] = "abc"
    long: Annotated[str, Field(max_length=2_000)] = ""
    pattern: Annotated[str, Field(pattern="^[a-z]+$")] = "a"
    whole: Annotated[int, Field(ge=1, le=10)] = 1
    number: Annotated[float, Field(gt=0, lt=1)] = 0.5
    switch: bool = True
    day: date = date(2020, 1, 1)
    choice: Literal["album", "web"] = "web"
    key: UUID = UUID(int=0)


WRONG: list[dict[str, Any]] = [
    {},
    *({"required": "", "short": text} for text in ("", "ab")),
    {"required": 1},
    {"required": "", "long": "x" * 2_001},
    {"required": "", "pattern": "1"},
    *({"required": "", "whole": value} for value in ("x", 0, 11, 1.5)),
    *({"required": "", "number": value} for value in ("x", 0, 1)),
    {"required": "", "switch": "perhaps"},
    {"required": "", "day": "yesterday"},
    {"required": "", "choice": "no"},
    {"required": "", "key": "x"},
]


def error_of(values: dict[str, Any]) -> Any:
    with pytest.raises(ValidationError) as raised:
        Form.model_validate(values)
    return raised.value.errors()[0]


@pytest.mark.parametrize("values", WRONG)
def test_what_is_wrong_with_a_field_is_said_in_every_language_and_in_english_as_pydantic_does(
    values: dict[str, Any],
) -> None:
    error, shown = error_of(values), []
    for language in LANGUAGES:
        with use_language(language):
            shown.append(value_error_text(error))
    assert shown[0] == error["msg"]
    assert len(set(shown)) == len(LANGUAGES)


def test_lengths_and_bounds_have_the_numbers_and_plural_forms_of_the_language() -> None:
    with use_language("pl"):
        assert value_error_text(error_of({"required": "", "short": ""})) == "potrzebne są co najmniej 3 znaki"
        long = value_error_text(error_of({"required": "", "long": "x" * 2_001}))
        assert long == "dozwolonych jest najwyżej 2\u00a0000 znaków"
        assert value_error_text(error_of({"required": "", "choice": "x"})) == "to musi być jedno z: 'album', 'web'"


def test_a_setting_out_of_its_bounds_is_refused_in_the_language_in_use() -> None:
    with pytest.raises(
        SettingsError, match=r"coverage_goal cannot be 0: input should be greater than or equal to 1\.$"
    ):
        parse_settings({"coverage_goal": 0})
    with use_language("de"):
        with pytest.raises(SettingsError, match=r"^coverage_goal kann nicht 0 sein: es muss mindestens 1 sein\.$"):
            parse_settings({"coverage_goal": 0})
        with pytest.raises(SettingsError, match="Es gibt keine Einstellung 'pakc'; meinten Sie pack"):
            parse_settings({"pakc": "builtin"})
