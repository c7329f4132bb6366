"""A session: a set of photos of one occasion, in which people ask who was there."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True)
class PhotoSession:
    """A set of photos, as somebody described it. Photos that come later and fit belong to it too.

    All that is given must fit. A session of nothing but classes and a school year or days has the photos of that time
    that show somebody of these classes, or lie in a folder of a class's name.

    Attributes:
        id: UUID.
        title: As it was given.
        event: A folder below the photos folder, such as `2019-2020/sports day`; empty: any.
        school_year: Of the photos; empty: any.
        classes: Whose students are expected; empty: everybody whom the roster lists in that school year.
        from_day: The first day on which the photos were taken, None for any.
        to_day: The last day.
        photos: Asset ids, if the photos were selected one by one.
    """

    id: str
    title: str
    event: str = ""
    school_year: str = ""
    classes: tuple[str, ...] = ()
    from_day: date | None = None
    to_day: date | None = None
    photos: tuple[str, ...] = ()

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> "PhotoSession":
        """The session of an event's payload."""
        days = [date.fromisoformat(day) if (day := payload.get(key)) else None for key in ("from_day", "to_day")]
        return cls(
            id=payload["session_id"],
            title=payload["title"],
            event=payload.get("event", ""),
            school_year=payload.get("school_year", ""),
            classes=tuple(payload.get("classes", ())),
            from_day=days[0],
            to_day=days[1],
            photos=tuple(payload.get("asset_ids", ())),
        )
