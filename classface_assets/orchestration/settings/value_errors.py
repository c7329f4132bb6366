"""What pydantic says of a value that is not allowed, in the language in use."""

from collections.abc import Mapping
from typing import Any

from classface_assets.core.languages import ENGLISH, current_language, gettext, marked, marked_plural, ngettext

_WHOLE_NUMBER = marked("Input should be a valid integer")
_NUMBER = marked("Input should be a valid number")
_YES_OR_NO = marked("Input should be a valid boolean")
_DAY = marked("Input should be a valid date")
_CHOICE = marked("Input should be one of %(expected)s")
_TEXTS = {
    "missing": marked("Field required"),
    "extra_forbidden": marked("Extra inputs are not permitted"),
    **dict.fromkeys(("int_parsing", "int_parsing_size", "int_type", "int_from_float"), _WHOLE_NUMBER),
    **dict.fromkeys(("float_parsing", "float_type", "finite_number", "number_type"), _NUMBER),
    **dict.fromkeys(("bool_parsing", "bool_type"), _YES_OR_NO),
    **dict.fromkeys(("date_parsing", "date_from_datetime_parsing", "date_type"), _DAY),
    **dict.fromkeys(("enum", "literal_error"), _CHOICE),
    **dict.fromkeys(("uuid_parsing", "uuid_type"), marked("Input should be a valid UUID")),
    "string_type": marked("Input should be a valid string"),
    "string_pattern_mismatch": marked("String should match pattern '%(pattern)s'"),
    "greater_than": marked("Input should be greater than %(gt)s"),
    "greater_than_equal": marked("Input should be greater than or equal to %(ge)s"),
    "less_than": marked("Input should be less than %(lt)s"),
    "less_than_equal": marked("Input should be less than or equal to %(le)s"),
}
"""The kinds of errors that forms, addresses and settings can have; the others stay English."""
_TEXTS_OF_LENGTHS = {
    "string_too_short": (
        "min_length",
        marked_plural(
            "String should have at least %(num)s character", "String should have at least %(num)s characters"
        ),
    ),
    "string_too_long": (
        "max_length",
        marked_plural("String should have at most %(num)s character", "String should have at most %(num)s characters"),
    ),
}


def value_error_text(error: Mapping[str, Any]) -> str:
    """One of the `errors()` of pydantic's ValidationError as a phrase; pydantic's own where there is no translation."""
    kind, context = error["type"], error.get("ctx", {})
    own: str = error["msg"]
    if current_language() == ENGLISH:
        return own
    if kind in _TEXTS_OF_LENGTHS:
        name, (singular, plural) = _TEXTS_OF_LENGTHS[kind]
        return ngettext(singular, plural, context[name])
    if kind in _TEXTS:
        return gettext(_TEXTS[kind], **_values(context))
    return gettext("a file is expected") if "Expected UploadFile" in own else own


def _values(context: Mapping[str, Any]) -> dict[str, object]:
    """What a message names; of the values that are allowed, pydantic has a list in English."""
    return {name: str(value).replace(" or ", ", ") for name, value in context.items()}
