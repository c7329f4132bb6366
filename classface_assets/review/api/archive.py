"""The archive itself: the settings that last, and updates of everything."""

from enum import StrEnum
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from classface_assets.orchestration.settings.file import set_values
from classface_assets.orchestration.settings.values import ALL_KEYS, WHOLE_NUMBERS, SettingsError
from classface_assets.orchestration.updates.record import updates as recorded_updates
from classface_assets.review.api.common import API_PREFIX, ApiModel, Context, Page, PageParams, problem_responses
from classface_assets.review.problems import ProblemError
from classface_assets.review.runs.update_texts import describe_update
from classface_assets.services.first_run.settings import ShownSetting, list_settings

ON_THE_PAGE_ONLY = ("pack", "photos", "browse_root")
"""What is changed on the page Settings only, which asks before everything is computed again, and stays below a root."""
MAX_UPDATES = 1000
router = APIRouter(prefix=API_PREFIX, tags=["work"])
SettingKey = StrEnum("SettingKey", {key: key for key in ALL_KEYS if key not in ON_THE_PAGE_ONLY})  # type: ignore[misc]
SettingValue = Annotated[bool | float | str, Field(union_mode="left_to_right")] | None


class Setting(ApiModel):
    """A setting of the archive; `source` is an environment variable, `classface.toml` or `built-in`."""

    key: str
    value: Any
    source: str
    meaning: str


class NewValue(ApiModel):
    """The value of a setting; null: the built-in one."""

    value: SettingValue


class Update(ApiModel):
    """An update of everything: how far it is, in words; `percent` is null where that is not known."""

    id: str
    state: str
    running: bool
    headline: str
    percent: int | None
    facts: list[str]
    problems: list[str]
    more_problems: int
    """Problems besides those."""
    began: str
    photos_folder: str
    pack: str


@router.get("/settings", response_model=list[Setting], responses=problem_responses())
def settings(context: Context) -> list[Setting]:
    """List the settings of the archive, and where each value comes from."""
    return [_setting(one) for one in list_settings(context.archive)]


@router.put("/settings/{key}", response_model=Setting, responses=problem_responses(404, 409))
def set_setting(context: Context, key: SettingKey, body: NewValue) -> Setting:
    """Set a setting from the next run on, or remove it.

    The pack and the folders are changed on the page Settings, or by `classface settings set`.
    """
    value = body.value
    if isinstance(value, bool) and key in WHOLE_NUMBERS:
        raise ProblemError(409, f"{key} is a number, not {str(value).lower()}.")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        set_values(context.layout.local, {str(key): value})
        context.archive.share()
    except SettingsError as error:
        raise ProblemError(409, str(error)) from None
    return next(_setting(one) for one in list_settings(context.archive) if one.key == key)


@router.get("/updates", response_model=Page[Update], responses=problem_responses())
def updates(context: Context, pagination: PageParams) -> dict[str, Any]:
    """List the updates, newest first."""
    records = list(islice(recorded_updates(context.layout), MAX_UPDATES))
    start = (pagination.page - 1) * pagination.page_size
    shown = [_update(describe_update(record)) for record in records[start : start + pagination.page_size]]
    return pagination.response(shown, len(records))


@router.post("/updates", response_model=Update, status_code=202, responses=problem_responses(409))
def start_update(context: Context) -> Update:
    """Start an update of everything: new photos, faces, names, albums."""
    return _update(describe_update(context.updates.start()))


def _setting(one: ShownSetting) -> Setting:
    return Setting(key=one.key, value=one.value, source=one.source, meaning=one.meaning)


def _update(shown: dict[str, Any]) -> Update:
    more = {"more_problems": shown["moreProblems"], "photos_folder": shown["folder"]}
    return Update.model_validate({name: shown[name] for name in Update.model_fields if name not in more} | more)
