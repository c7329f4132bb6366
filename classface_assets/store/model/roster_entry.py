"""One student of the school's rosters: what all imported files together say of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any


@dataclass(frozen=True)
class RosterEntry:
    """A student. Texts are empty where nothing is known.

    Attributes:
        name: Full name.
        student_id: The school's id, as written.
        classes: School year -> class, empty where the class is not known.
        siblings: Names or student ids, as written.
        consent: The answer for every purpose, None where nobody answered.
        birth_date: Day of birth.
        portraits: (school year or empty, folder/file as the photographer named it).
        consents: Purpose (`purposes.Purpose`) -> the answer for it alone.
        consent_in_doubt: An answer, as written, that could not be understood; it counts as a refusal of everything
            until somebody clears it.
        key: By which the ledger knows the student among all rosters' (`decisions.students`); empty for a single row.
    """

    name: str
    student_id: str = ""
    classes: Mapping[str, str] = field(default_factory=dict)
    siblings: tuple[str, ...] = ()
    consent: bool | None = None
    birth_date: date | None = None
    portraits: tuple[tuple[str, str], ...] = ()
    consents: Mapping[str, bool] = field(default_factory=dict)
    consent_in_doubt: str = ""
    key: str = ""

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> "RosterEntry":
        """The student of a row of an event's payload."""
        born = payload.get("birth_date")
        return cls(
            name=payload["name"],
            student_id=payload.get("student_id", ""),
            classes=dict(payload.get("classes", {})),
            siblings=tuple(payload.get("siblings", ())),
            consent=payload.get("consent"),
            birth_date=date.fromisoformat(born) if born else None,
            portraits=tuple((year, file) for year, file in payload.get("portraits", ())),
            consents=dict(payload.get("consents", {})),
            consent_in_doubt=payload.get("consent_in_doubt", ""),
        )

    def payload(self) -> dict[str, Any]:
        """The row as events store it, without what is not known."""
        fields: dict[str, Any] = {
            "name": self.name,
            "student_id": self.student_id,
            "classes": dict(self.classes),
            "siblings": list(self.siblings),
            "birth_date": self.birth_date and self.birth_date.isoformat(),
            "portraits": [list(portrait) for portrait in self.portraits],
            "consents": dict(self.consents),
            "consent_in_doubt": self.consent_in_doubt,
        }
        known = {key: value for key, value in fields.items() if value}
        return known if self.consent is None else {**known, "consent": self.consent}
