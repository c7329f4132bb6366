"""The PSPA index of portraits, as yearbook publishers import it.

The Professional School Photographers Association's format: a text file INDEX.TXT, a line a person, columns separated by
tabs, without a header; beside it folders of images. School Photographers of America continues it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

INDEX_COLUMNS = (
    *("Volume Name", "Image Folder", "Image File Name", "Grade", "Last Name", "First Name", "Home Room", "Period"),
    *("Teacher Name", "Track", "Department", "Title", "Image Size"),
)
IMAGE_FOLDER = "PORTRAITS"
STAFF_GRADE = "Faculty"
PARTICLES = frozenset(
    (
        *(
            "von",
            "van",
            "vom",
            "zu",
            "zum",
            "zur",
            "de",
            "del",
            "della",
            "der",
            "den",
            "di",
            "da",
            "do",
            "dos",
            "du",
            "la",
        ),
        *("le", "ten", "ter", "af", "av", "bin", "ibn", "al", "el", "st", "st.", "mac"),
    )
)
"""Words in small letters that begin a last name."""


@dataclass(frozen=True)
class PspaPerson:
    """A person of the index.

    Attributes:
        file: The image's name in the folder.
        name: Whole name.
        school_class: Class; "" if unknown.
        is_staff: Whether it is no student.
    """

    file: str
    name: str
    school_class: str = ""
    is_staff: bool = False


def index_text(volume: str, people: Iterable[PspaPerson]) -> str:
    """INDEX.TXT: INDEX_COLUMNS, in the order given."""
    lines = []
    for person in people:
        last, first = split_name(person.name)
        grade = STAFF_GRADE if person.is_staff else grade_of(person.school_class)
        fields = (
            volume,
            IMAGE_FOLDER,
            person.file,
            grade,
            last,
            first,
            person.school_class,
            "",
            "",
            "",
            "",
            "",
            "Large",
        )
        lines.append("\t".join(map(_as_field, fields)))
    return "".join(f"{line}\r\n" for line in lines)


def image_name(number: int) -> str:
    """The name of the portrait of that number: eight characters that every importer accepts.

    >>> image_name(12)
    '00000012.JPG'
    """
    return f"{number:08d}.JPG"


def split_name(name: str) -> tuple[str, str]:
    """Last and first name; a name of one word is a last name.

    >>> split_name("Anna Maria von der Heide"), split_name("Weiss, Anna"), split_name("王小明")
    (('von der Heide', 'Anna Maria'), ('Weiss', 'Anna'), ('王小明', ''))
    """
    if "," in name:
        last, _, first = name.partition(",")
        return last.strip(), first.strip()
    words = name.split()
    if len(words) < 2:
        return name.strip(), ""
    start = len(words) - 1
    while start > 1 and words[start - 1] in PARTICLES:
        start -= 1
    return " ".join(words[start:]), " ".join(words[:start])


def grade_of(school_class: str) -> str:
    """The grade of a class: its number, or all of it where it has none.

    >>> grade_of("5b"), grade_of("Klasse 10 a"), grade_of("Kindergarten")
    ('5', '10', 'Kindergarten')
    """
    found = re.search(r"\d+", school_class)
    return found[0] if found else school_class


def _as_field(value: str) -> str:
    return " ".join(value.split())
