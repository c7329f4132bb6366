"""The ledger: the decisions that people took, appended to a small database and never changed.

Any SQLAlchemy URL serves; SQLite is the default. Events are keyed by face id, never by cluster id, so no re-run can
lose a name. SQLite and PostgreSQL themselves refuse to update or delete a row, and writers queue.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from classface_assets.store.ledger.commands import faces as face_commands
from classface_assets.store.ledger.commands import links as link_commands
from classface_assets.store.ledger.commands import people as people_commands
from classface_assets.store.ledger.commands import photos as photo_commands
from classface_assets.store.ledger.commands import roster as roster_commands
from classface_assets.store.ledger.commands import sessions as session_commands
from classface_assets.store.ledger.commands import undo as undo_commands
from classface_assets.store.ledger.commands.roster import RosterImportResult
from classface_assets.store.ledger.event_store import EventStore
from classface_assets.store.ledger.redaction import remove_student_rows
from classface_assets.store.ledger.transaction import CommandResult
from classface_assets.store.model.events import Event
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.photo_session import PhotoSession
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.model.same_shots import SameShot


class Ledger(EventStore):
    """All commands on the ledger, each of which is one transaction that reads what it checks, and appends.

    The functions in `ledger.commands` say what each one does, returns and raises.

    Example:
        >>> ledger = Ledger("sqlite:///data/ledger.sqlite")
        >>> ledger.label("Anna Weiss", [FaceRef("f1", "photo", (10, 10, 80, 80))]).person.name
        'Anna Weiss'
    """

    def label(self, name: str, faces: Sequence[FaceRef], method: str = "hand") -> CommandResult:
        """Label faces as the person of that name or id; see `commands.faces.label`."""
        return self.write(lambda tx: face_commands.label(tx, name, faces, method))

    def label_groups(self, named: Sequence[tuple[str, Sequence[FaceRef]]], method: str) -> CommandResult:
        """Label groups of faces as one person each; see `commands.faces.label_groups`."""
        return self.write(lambda tx: face_commands.label_groups(tx, named, method))

    def label_imported(
        self,
        named: Sequence[tuple[str, FaceRef]],
        roster: int | None = None,
        students: Mapping[str, str] | None = None,
    ) -> CommandResult:
        """Label the faces of a roster's portraits; see `commands.faces.label_imported`."""
        return self.write(lambda tx: face_commands.label_imported(tx, named, roster, students))

    def confirm(self, who: str, faces: Sequence[FaceRef]) -> CommandResult:
        """Confirm that faces are that person; see `commands.faces.confirm`."""
        return self.write(lambda tx: face_commands.confirm(tx, who, faces))

    def mark_not_faces(self, faces: Sequence[FaceRef]) -> CommandResult:
        """Label detections that are no faces; see `commands.faces.mark_not_faces`."""
        return self.write(lambda tx: face_commands.mark_not_faces(tx, faces))

    def reject(self, who: str, faces: Sequence[FaceRef]) -> CommandResult:
        """Record that faces are not that person; see `commands.faces.reject`."""
        return self.write(lambda tx: face_commands.reject(tx, who, faces))

    def remove_labels(self, faces: Sequence[FaceRef]) -> CommandResult:
        """Remove the labels of faces; see `commands.faces.remove_labels`."""
        return self.write(lambda tx: face_commands.remove_labels(tx, faces))

    def remove_assignments(
        self, labelled: Sequence[FaceRef], matched: Sequence[tuple[str, Sequence[FaceRef]]]
    ) -> CommandResult:
        """Remove labels and automatic matches; see `commands.faces.remove_assignments`."""
        return self.write(lambda tx: face_commands.remove_assignments(tx, labelled, matched))

    def must_link(self, faces: Sequence[FaceRef]) -> CommandResult:
        """Record that faces are of one person; see `commands.links.must_link`."""
        return self.write(lambda tx: link_commands.must_link(tx, faces))

    def cannot_link(self, faces: Sequence[FaceRef]) -> CommandResult:
        """Record that no two faces are of one person; see `commands.links.cannot_link`."""
        return self.write(lambda tx: link_commands.cannot_link(tx, faces))

    def split_cluster(self, cluster_id: str, groups: Sequence[Sequence[FaceRef]]) -> CommandResult:
        """Record which faces of a cluster are of one person each; see `commands.links.split_cluster`."""
        return self.write(lambda tx: link_commands.split_cluster(tx, cluster_id, groups))

    def create_person(self, name: str) -> CommandResult:
        """Create a person who has no face yet; see `commands.people.create`."""
        return self.write(lambda tx: people_commands.create(tx, name))

    def rename(self, who: str, name: str) -> CommandResult:
        """Give a person another name; see `commands.people.rename`."""
        return self.write(lambda tx: people_commands.rename(tx, who, name))

    def merge(self, who: str, into: str) -> CommandResult:
        """Record that two people are one; see `commands.people.merge`."""
        return self.write(lambda tx: people_commands.merge(tx, who, into))

    def hide(self, who: str) -> CommandResult:
        """Show a person nowhere; see `commands.people.hide`."""
        return self.write(lambda tx: people_commands.hide(tx, who))

    def show(self, who: str) -> CommandResult:
        """Show a hidden person again; see `commands.people.show`."""
        return self.write(lambda tx: people_commands.show(tx, who))

    def set_kind(self, who: str, kind: str) -> CommandResult:
        """Set what kind of person somebody is; see `commands.people.set_kind`."""
        return self.write(lambda tx: people_commands.set_kind(tx, who, kind))

    def set_birth_date(self, who: str, born: date | None) -> CommandResult:
        """Set or remove a birth date; see `commands.people.set_birth_date`."""
        return self.write(lambda tx: people_commands.set_birth_date(tx, who, born))

    def set_consent(self, who: str, given: bool, purposes: Sequence[str] = ()) -> CommandResult:
        """Set whether a person may be shown; see `commands.people.set_consent`."""
        return self.write(lambda tx: people_commands.set_consent(tx, who, given, purposes))

    def set_portrait(self, who: str, face_id: str) -> CommandResult:
        """Enrol a person with a portrait; see `commands.people.set_portrait`."""
        return self.write(lambda tx: people_commands.set_portrait(tx, who, face_id))

    def choose_cover(self, who: str, face: FaceRef) -> CommandResult:
        """Choose the face by which a person is shown; see `commands.people.choose_cover`."""
        return self.write(lambda tx: people_commands.choose_cover(tx, who, face))

    def declare_siblings(self, people: Sequence[str]) -> CommandResult:
        """Record that people are siblings; see `commands.people.declare_siblings`."""
        return self.write(lambda tx: people_commands.declare_siblings(tx, people))

    def erase(self, who: str, faces: Sequence[FaceRef] = ()) -> CommandResult:
        """Erase a person; see `commands.people.erase`."""
        return self.write(lambda tx: people_commands.erase(tx, who, faces))

    def mark_photo(self, asset_id: str, mark: str) -> CommandResult:
        """Mark a photo as a collage or a mirror; see `commands.photos.mark_photo`."""
        return self.write(lambda tx: photo_commands.mark_photo(tx, asset_id, mark))

    def unmark_photo(self, asset_id: str) -> CommandResult:
        """Remove the mark of a photo; see `commands.photos.unmark_photo`."""
        return self.write(lambda tx: photo_commands.unmark_photo(tx, asset_id))

    def draw_face(self, face: FaceRef) -> CommandResult:
        """Add a face that no detector found; see `commands.photos.draw_face`."""
        return self.write(lambda tx: photo_commands.draw_face(tx, face))

    def draw_faces(self, faces: Sequence[FaceRef]) -> CommandResult:
        """Add several faces that no detector of a run found; see `commands.photos.draw_faces`."""
        return self.write(lambda tx: photo_commands.draw_faces(tx, faces))

    def follow_photos(self, pairs: Sequence[SameShot]) -> CommandResult:
        """Record that pairs of photos show one shot each; see `commands.photos.follow_photos`."""
        return self.write(lambda tx: photo_commands.follow_photos(tx, pairs))

    def import_roster(self, entries: Sequence[RosterEntry], source: str) -> RosterImportResult:
        """Import the rows of a roster's file; see `commands.roster.import_roster`."""
        return self.write(lambda tx: roster_commands.import_roster(tx, entries, source))

    def link_student(self, who: str, student: str) -> CommandResult:
        """Record which student of the rosters a person is; see `commands.roster.link_student`."""
        return self.write(lambda tx: roster_commands.link_student(tx, who, student))

    def remove_student(self, who: str, before: Callable[[str], None] | None = None) -> int:
        """Remove a student from every roster for good; returns from how many imports.

        It cannot be undone: nothing of them is left, and the same files do not bring them back. What they refused stays
        refused for everybody that it concerned.

        Args:
            who: Name or student id.
            before: Is called with the student's key before anything is removed.

        Raises:
            UnknownError: No student has that name or id.
            ConflictError: Several students have that name.
        """
        key = self.write(lambda tx: roster_commands.preserve_refusals_of(tx, who))
        if before is not None:
            before(key)
        count = remove_student_rows(self.url, key)
        self.write(lambda tx: roster_commands.record_removal(tx, count))
        return count

    def create_session(self, session: PhotoSession) -> CommandResult:
        """Store a session, a set of photos; see `commands.sessions.create_session`."""
        return self.write(lambda tx: session_commands.create_session(tx, session))

    def change_session(self, session: PhotoSession) -> CommandResult:
        """Give a session another title or other photos; see `commands.sessions.change_session`."""
        return self.write(lambda tx: session_commands.change_session(tx, session))

    def delete_session(self, which: str) -> CommandResult:
        """Remove a session; see `commands.sessions.delete_session`."""
        return self.write(lambda tx: session_commands.delete_session(tx, which))

    def correct_attendance(self, which: str, who: str, present: bool | None) -> CommandResult:
        """Record whether somebody was at a session; see `commands.sessions.correct_attendance`."""
        return self.write(lambda tx: session_commands.correct_attendance(tx, which, who, present))

    def undo(self, event_id: int | None = None) -> Event:
        """Undo one event, or the last one in force; see `commands.undo.undo`."""
        return self.write(lambda tx: undo_commands.undo(tx, event_id))

    def undo_all(self, event_ids: Sequence[int]) -> list[Event]:
        """Undo several events, or none of them; see `commands.undo.undo_all`."""
        return self.write(lambda tx: undo_commands.undo_all(tx, event_ids))
