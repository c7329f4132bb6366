"""One student of the school's rosters: what all imported files together say of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any


@dataclass(frozen=True)
class RosterEntry:
    """`classes`: school year → class, empty where the class was not told. `siblings`: names or student ids, as written.

    `consent`: for every purpose, None where nobody said. `consents`: purpose (`consent.Purpose`) → the answer for it
    alone. `consent_in_doubt`: an answer, as it was written, that could not be understood; it counts as a refusal of
    everything until somebody clears it. `portraits`: (school year or empty, folder/file as the photographer named it).
    `key`: by which the ledger knows the student among all rosters' (`roster_students`), empty for a row by itself.
    Texts are empty where nothing is known.
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
        born = payload.get("birth_date")
        return cls(
            payload["name"],
            payload.get("student_id", ""),
            dict(payload.get("classes", {})),
            tuple(payload.get("siblings", ())),
            payload.get("consent"),
            date.fromisoformat(born) if born else None,
            tuple((year, file) for year, file in payload.get("portraits", ())),
            dict(payload.get("consents", {})),
            payload.get("consent_in_doubt", ""),
        )

    def payload(self) -> dict[str, Any]:
        """What the ledger keeps: nothing of what is not known."""
        said: dict[str, Any] = {
            "name": self.name,
            "student_id": self.student_id,
            "classes": dict(self.classes),
            "siblings": list(self.siblings),
            "birth_date": self.birth_date and self.birth_date.isoformat(),
            "portraits": [list(portrait) for portrait in self.portraits],
            "consents": dict(self.consents),
            "consent_in_doubt": self.consent_in_doubt,
        }
        known = {key: value for key, value in said.items() if value}
        return known if self.consent is None else {**known, "consent": self.consent}
