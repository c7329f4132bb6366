"""The pages of students across the years, and of classes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from classface_assets.albums.cards import PhotoCard, PhotoKey, portrait_link
from classface_assets.albums.listing import FolderListing
from classface_assets.albums.names import year_path
from classface_assets.albums.pages.classes import SchoolClass, classes_by_student
from classface_assets.albums.pages.originals import original_files
from classface_assets.albums.pages.page_files import Page, class_inputs, inputs_digest, student_inputs
from classface_assets.albums.pages.rendering import render_template
from classface_assets.albums.students import Face, Student, assign_folder_names


@dataclass(frozen=True, eq=False)
class Site:
    """What the pages over all school years are built from.

    Attributes:
        listing: Of the albums folder.
        years: The school years, in the order to show.
        students: Key → student.
        pictures: The photos, in order.
        classes: The classes of these years.
        siblings: Student key → siblings.
        school: The name of the school.
    """

    listing: FolderListing
    years: Sequence[str]
    students: Mapping[str, Student]
    pictures: Mapping[PhotoKey, PhotoCard]
    classes: Sequence[SchoolClass]
    siblings: Mapping[str, list[Student]]
    school: str


@dataclass(frozen=True)
class StudentYear:
    """A student in one school year.

    Attributes:
        year: The school year.
        page: The year's page, if it exists.
        face: The best face.
        folder: The folder of originals, if it exists.
        pictures: The photos.
        originals: Photo → its file in the folder of originals, as a path below the albums folder.
        school_class: The class, if it is known.
    """

    year: str
    page: str | None
    face: str | None
    folder: str | None
    pictures: list[PhotoCard]
    originals: dict[PhotoKey, str]
    school_class: SchoolClass | None

    @property
    def inputs(self) -> tuple[object, ...]:
        """What the student's page shows of it."""
        originals = [self.originals.get(picture.key) for picture in self.pictures]
        shown = [picture.digest for picture in self.pictures]
        return self.year, self.page, self.face, self.folder, shown, originals, class_inputs(self.school_class)


@dataclass(frozen=True, eq=False)
class _YearAlbum:
    """A year's album: student key → folder, and student key → photo → file in it."""

    year: str
    folders: Mapping[str, str]
    files: Mapping[str, Mapping[PhotoKey, str]]


def student_pages(site: Site) -> Iterator[Page]:
    """The page of every student."""
    albums = _year_albums(site)
    own_classes = classes_by_student(site.classes)
    for student in site.students.values():
        faces: dict[str, list[Face]] = {}
        for face in student.best_faces:
            faces.setdefault(face.school_year, []).append(face)
        classes, siblings = own_classes.get(student.key, {}), site.siblings.get(student.key, [])
        years = [
            _student_year(site, student, albums[year], faces[year], classes.get(year))
            for year in site.years
            if year in faces
        ]
        related = [student_inputs(sibling) for sibling in siblings]
        own = (*student_inputs(student), student.cluster_id, len(student.photo_keys))
        digest = inputs_digest(own, related, [one.inputs for one in years])
        render = partial(
            render_template,
            "student.html.j2",
            root="../",
            school=site.school,
            student=student,
            years=years,
            siblings=siblings,
        )
        yield Page(f"{student.slug}.html", digest, render)


def class_pages(site: Site) -> Iterator[Page]:
    """The page of every class."""
    for one in site.classes:
        portraits = {
            student.key: portrait_link(
                site.listing, chain((f for f in student.best_faces if f.school_year == one.year), student.best_faces)
            )
            for student in one.students
        }
        counts = {s.key: s.photos_by_year[one.year] for s in one.students}
        page = f"{year_path(one.year)}/index.html"
        year_page = page if site.listing.has(page) else None
        students = [(student_inputs(s), portraits[s.key], counts[s.key]) for s in one.students]
        shown = [picture.digest for picture in one.pictures]
        digest = inputs_digest(class_inputs(one), students, one.absent, shown, year_page)
        render = partial(
            render_template,
            "class.html.j2",
            root="../",
            school=site.school,
            school_class=one,
            portraits=portraits,
            photo_counts=counts,
            year_page=year_page,
        )
        yield Page(f"{one.slug}.html", digest, render)


def _year_albums(site: Site) -> dict[str, _YearAlbum]:
    """School year → its album."""
    students: dict[str, dict[str, Student]] = {year: {} for year in site.years}
    pictures: dict[str, list[PhotoCard]] = {year: [] for year in site.years}
    for student in site.students.values():
        for face in student.faces:
            students[face.school_year][student.key] = student
    for picture in site.pictures.values():
        pictures[picture.key[0]].append(picture)
    albums = {}
    for year in site.years:
        folders = assign_folder_names(students[year].values())
        albums[year] = _YearAlbum(year, folders, original_files(folders, pictures[year]))
    return albums


def _student_year(
    site: Site, student: Student, album: _YearAlbum, faces: Sequence[Face], school_class: SchoolClass | None
) -> StudentYear:
    """A student in a year in which there are faces of them, the best first."""
    listing, year = site.listing, album.year
    page, folder = f"{year_path(year)}/index.html", f"{year_path(year)}/{album.folders[student.key]}"
    pictures = (site.pictures[key] for key in {(face.school_year, face.asset_id) for face in faces})
    files = {key: f"{folder}/{name}" for key, name in album.files[student.key].items()}
    return StudentYear(
        year=year,
        page=page if listing.has(page) else None,
        face=portrait_link(listing, faces),
        folder=folder if listing.has(folder) else None,
        pictures=sorted(pictures, key=lambda picture: picture.place),
        originals={key: path for key, path in files.items() if listing.has(path)},
        school_class=school_class,
    )
