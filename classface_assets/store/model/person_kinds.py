"""What kinds of persons there are, and whether they are shown; light to import, for the command line."""

from enum import StrEnum


class PersonKind(StrEnum):
    """What kind of person somebody is."""

    STUDENT = "student"
    STAFF = "staff"
    NOT_A_STUDENT = "not a student"
    NOT_A_FACE = "not a face"


class PersonStatus(StrEnum):
    """Whether a person is shown."""

    ACTIVE = "active"
    MERGED = "merged"
    HIDDEN = "hidden"


# Persons hold plain texts: polars would make an enum column of members.
PERSON_KINDS = tuple(kind.value for kind in PersonKind)
