"""An archive in the middle of its work: people named, hidden, refused and merged, faces rejected, groups unknown."""

from classface_assets.orchestration.resources import Archive
from classface_assets.services.queries import find_faces
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.photo_session import PhotoSession
from classface_assets.store.model.roster_entry import RosterEntry


def use_archive(archive: Archive) -> Ledger:
    """Decide about the faces of a finished archive as people do in a week; half of its groups stay unknown."""
    ledger = archive.open_ledger()
    groups = query_database(
        archive.layout.database,
        "SELECT cluster_id FROM face_instances WHERE cluster_id LIKE 'unknown_cluster%' "
        "GROUP BY cluster_id HAVING count(*) > 2 ORDER BY count(*) DESC, cluster_id",
    )["cluster_id"]
    anna, ben, cem, unknown = (find_faces(archive.layout.database, groups[n]) for n in range(4))
    ledger.import_roster([RosterEntry("Anna Weiss", student_id="17"), RosterEntry("Dora")], "class list")
    # One face of each is left for the next run to match.
    named = {name: ledger.label(name, faces).person.id for name, faces in _faces_of_names(anna, ben, cem).items()}
    ledger.reject(named["Anna Weiss"], [unknown[0], anna[-1]])
    ledger.hide(named["Ben Weiss"])
    ledger.set_consent(named["Cem"], given=False)
    ledger.merge(named["Cemm"], named["Cem"])
    ledger.create_session(PhotoSession("", "Portraits", school_year="2016-2017", classes=("3a",)))
    ledger.create_person("Nobody Yet")
    ledger.undo()
    ledger.create_person("Somebody")
    return ledger


def _faces_of_names(anna: list[FaceRef], ben: list[FaceRef], cem: list[FaceRef]) -> dict[str, list[FaceRef]]:
    return {"Anna Weiss": anna[:-1], "Ben Weiss": ben[:-1], "Cem": cem[:-2], "Cemm": cem[-2:-1]}
