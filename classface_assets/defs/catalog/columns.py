"""What each stored column holds, in plain English, and table schemas with these descriptions for Dagster's catalog."""

import re
from collections.abc import Iterator, Mapping

import dagster as dg
import polars as pl

from classface_assets.core.schemas import DUCKDB_TABLES

COLUMNS: Mapping[str, str] = {
    # Files and photos
    "asset_id": "Id of the picture, whatever the file's metadata; in parts of older versions of the file's bytes.",
    "school_year": "The school year whose folder the photo lies in.",
    "path": "Path below the photos folder.",
    "size": "Size of the file in bytes.",
    "mtime_ns": "When the file was changed, in nanoseconds since 1970.",
    "width": "Width in pixels, as the file has it.",
    "height": "Height in pixels, as the file has it.",
    "orientation": "EXIF orientation of the file, 1 to 8.",
    "taken_at": "When the photo was taken, local time; null where nothing says it.",
    "taken_at_source": "What says when: exif, xmp, iptc, file name, folder or school year; empty where unknown.",
    "taken_at_doubt": "The surest date and its source where it is not believed, else empty.",
    "utc_offset": "Minutes east of Greenwich, where the camera knew.",
    "has_orientation": "Whether a camera wrote which way is up, so that the photo is not turned to find faces.",
    "file_digest": "Digest of the file's bytes; null of what is no photo, and in parts of older versions.",
    "page": "Of a file with several pages the one that is searched, from 0; null in parts of older versions.",
    "dates": "Every date that the file has, with its source and offset.",
    "read_again": "Whether the file may have become readable although its size and time are the same.",
    "near_group": "The first photo of the burst or of the near copies that this one belongs to; null when alone.",
    "rotation": "Degrees clockwise by which the photo, after EXIF, was turned to be upright.",
    # Faces
    "face_id": "Id of the face: of its photo and its place in it.",
    "bbox_x": "Left edge of the face's box, in pixels of the upright photo.",
    "bbox_y": "Upper edge of the face's box, in pixels of the upright photo.",
    "bbox_w": "Width of the face's box in pixels.",
    "bbox_h": "Height of the face's box in pixels.",
    "landmarks": "Five points, x and y each: eyes, nose, corners of the mouth.",
    "detection_confidence": "How sure the detector is that this is a face, 0 to 1.",
    "quality_score": "How useful the face is, 0 to 1: half for its area, half for the detector's confidence.",
    "blur": "Variance of the Laplacian of the chip: low is blurred, hundreds are sharp.",
    "yaw": "Turn of the head to the side, in degrees.",
    "pitch": "Nod of the head, in degrees.",
    "roll": "Tilt of the head, in degrees.",
    "brightness": "Mean grey value of the middle of the face, 0 to 255.",
    "outside": "Share of the face's box that lies outside the photo, 0 to 1.",
    "phash": "Perceptual hash of the photo, 256 bits in hexadecimal.",
    "strip_search": "Version of the search of long panoramas; null of other photos and in parts of older versions.",
    "chip": "The aligned picture of the face alone (JPEG): all that an embedder sees.",
    "vector": "The face as a vector of length 1; only vectors of one model pack can be compared.",
    "model": "Key of the model pack that made the vectors.",
    "embedding_size": "Number of components of the face's vector.",
    # Who a face is
    "cluster_id": "The person or the group of unknown faces: person_…, unknown_cluster_N; alone: unknown_noise_…",
    "person_id": "The person; null where the face has no name.",
    "assignment_score": "Similarity to the person or group that the face was given to.",
    "assignment_reason": "Why it was given to them, such as: labelled, or most similar to a labelled face.",
    "assignment_margin": "Lead over the next best person; null where none was measured.",
    "assignment_probability": "Probability that the face belongs there; null where labelled, alone or unknown.",
    "neighbours": "The k nearest faces, as row numbers of this table, nearest first; -1 where there are fewer.",
    "similarities": "Their cosine similarities, in the same order.",
    "made_of": "Digest of what the row was computed from: a row with the same digest is used again.",
    # Time
    "created_at": "When the row's subject was found or made, UTC.",
    "updated_at": "When it last became another one, UTC.",
    "status": "What it is; see the description of the table.",
    "reason": "Why it has this status; empty where nothing needs a reason.",
    # People
    "name": "The person's name.",
    "kind": "student, staff, not a student, or not a face.",
    "merged_into_id": "The person that this one was merged into; null otherwise.",
    "consent": "Whether the person may be shown in albums; null where nobody answered.",
    "consent_album": "Consent for albums; false where it was refused, or an answer was not understood.",
    "consent_yearbook": "Consent for the yearbook.",
    "consent_web": "Consent for the web.",
    "verdict": "Whether the photo may be shown for that purpose: safe, review or withheld.",
    "purpose": "What the photo would be shown for: album, yearbook or web.",
    "withheld_persons": "Ids of those in the photo who may not be shown.",
    "unknown_faces": "Number of faces in the photo without a name.",
}
"""Columns that mean the same in every table."""

OF_ONE_TABLE: Mapping[str, str] = {
    "images.status": "ok, duplicate (the same picture as another file), unreadable, or not a photo.",
    "image_assets.status": "ok, duplicate (the same picture as another file), unreadable, or not a photo.",
    "image_assets.asset_id": "Id of the picture; null of a file that cannot be read.",
    "detections.status": "ok: a face; no face, failed: the one row of a photo in which none was found.",
    "detections.reason": "Why the photo could not be searched; empty otherwise.",
    "detections.face_id": "Id of the face; null on the one row of a photo without faces.",
    "detections.orientation": "EXIF orientation of the file when it was searched: boxes are of the photo upright so.",
    "detections.created_at": "When the face was found, UTC.",
    "face_instances.id": "Id of the face.",
    "face_instances.created_at": "When the face was found, UTC.",
    "face_instances.updated_at": "When the face's person or group last became another one, UTC.",
    "persons.id": "Id of the person.",
    "persons.status": "active, hidden, or merged into another person.",
    "persons.created_at": "When somebody first named the person, UTC.",
    "persons.updated_at": "When a decision last changed the person, UTC.",
    "person_prototypes.id": "Id of the prototype.",
    "person_prototypes.face_instance_id": "The face; null of a centroid, and of an enrolled portrait.",
    "person_prototypes.role": "exemplar: a labelled face of good quality; centroid: the mean of a school year's.",
    "face_assignment_events.id": "Number of the decision in the ledger.",
    "face_assignment_events.created_at": "When somebody decided, UTC.",
    "face_assignment_events.actor": "Who decided.",
    "face_assignment_events.kind": "What was decided, such as person_renamed.",
    "face_assignment_events.payload": "The decision's details, as JSON.",
    "face_assignment_events.undone": "Whether the decision was undone later.",
    "clusters.cluster_id": "The person or the group of unknown faces.",
    "clusters.size": "Number of faces.",
    "clusters.mean_quality": "Mean quality of the faces, 0 to 1.",
    "clusters.sample_faces": "Ids of the five faces of best quality.",
    "clusters.school_years": "School years in which the faces are.",
    "ledger.ledger_id": "Which ledger the archive was published with.",
    "ledger.decisions": "Number of decisions in it then.",
    "ledger.last_event_id": "Number of the last decision; null where there was none.",
    "ledger.last_event_at": "When it was made.",
    "ledger.last_event_kind": "What was decided.",
    "changes.from": "Where the face was; null of a new face.",
    "changes.to": "Where the face is now; null of a face that is gone.",
    "changes.reason": "Why it is there.",
    "cluster_numbers.highest": "The greatest number that a group of unknown faces ever had: none is given twice.",
    "cluster_memory.cluster_id": "The group that the face was in when its photo was last there.",
    "face_groups.said": "Digest of the decisions that counted for the face.",
    "face_groups.group": "Number of the group.",
    "face_groups.added": "Whether the face joined the group since all faces were clustered from scratch.",
    "face_groups.made_with": "Digest of the settings.",
    "face_candidates.made_of": "Hash of the face's vector and school year, and of whom it may not be.",
    "face_candidates.persons": "Numbers of the people whom the face is most similar to, best first; -1 for no more.",
    "face_candidates.rank": "By which they are ordered: the similarity, or the share of votes.",
    "face_candidates.scores": "The similarity to each of them.",
    "face_candidates.support": "How many of the person's faces support it.",
    "face_candidates.people": "Hash of each of them: of the faces that stand for the person, and of the rosters.",
    "pair_scores.made_of": "Hash of the group's faces, of those of the person, and of how faces are compared.",
    "pair_scores.score": "How well the group matches the person.",
    "face_terms.made_of": "Hash of the face's vector, of its group where that counts, and of how faces are compared.",
    "face_terms.similarity": "To strangers, or on average to the other faces of the group.",
    "face_space.made_with": "The settings that it was fitted with.",
    "face_space.marks": "Hashes of the faces that it was fitted to: it is fitted again when a fifth has changed.",
    "face_space.dimensions": "Number of dimensions that are compared.",
    "face_space.turns": "The whitening transform, float32.",
    "face_space.share": "Share of the normalised similarity in the one that is used.",
    "face_space.slope": "Slope of the similarity's calibration.",
    "face_space.offset": "Offset of the similarity's calibration.",
    "face_space.spread": "Spread of similarities between strangers.",
    "face_space.cohort": "Faces of strangers that similarities are normalised by, float32.",
    "face_space.mean_hubness": "Mean similarity of a face to strangers.",
    "face_space.ageing_direction": "The direction in which faces change with the years, float32.",
    "face_space.ageing_amount": "How much of that direction is taken off.",
    "face_space.ageing_tracks": "Number of groups over several years that it was learned from.",
    "face_space.ageing_status": "Whether it is used, or why not.",
    "face_space.log_odds_slope": "Slope of the probability that two faces are one person.",
    "face_space.log_odds_intercept": "Intercept of that probability.",
    "thresholds_of_head.made_of": "Digest of the head and the settings; each threshold that differs has a column.",
    "labelling_progress.at": "The day on which the last of these labels was given.",
    "labelling_progress.people_labelled": "People with a label by then.",
    "labelling_progress.faces_labelled": "Faces with a label by then.",
    "labelling_progress.accuracy": "Share of the held-out faces of everybody labelled today that get their right name.",
    "labelling_progress.accuracy_of_labelled_people": "The same, of faces of people with a label by then.",
    "labelling_progress.precision": "Share of the given names that are right.",
    "publications.published_at": "When it was published, UTC.",
    "publications.assignments": "Digest of which face is with whom.",
    "publications.faces": "Number of faces.",
    "publications.named_faces": "Number of faces with a name.",
    "publications.named_share": "Share of the faces with a name, 0 to 1.",
    "publications.quality": "Median quality of the faces.",
    "publications.strangers_similarity": "99th percentile of the cosines of faces in one photo.",
    "accuracy.measured_at": "When it was measured, UTC.",
    "accuracy.measured_with": "labels: some of them held out; or truth: a file with the right person of each face.",
    "accuracy.faces": "Number of faces whose person is known.",
    "accuracy.precision": "Precision of the grouping (BCubed).",
    "accuracy.recall": "Recall of the grouping (BCubed).",
    "accuracy.f": "Harmonic mean of the two.",
    "accuracy.naming_accuracy": "Share of the faces of known people that get their right name.",
    "accuracy.naming_precision": "Share of the given names that are right.",
    "evaluated_assignments.made_of": "Digest of the decisions and the settings, the same in each row.",
    "evaluated_assignments.assignment": "Hash of a face with its cluster.",
    "photos_compared.decided": "Whether a decision is about the photo or its faces.",
    "student_coverage.class": "The class; null: the whole school year, empty: students of no class.",
    "student_coverage.students": "Number of students.",
    "student_coverage.below_goal": "Those in fewer photos than the goal.",
    "student_coverage.in_no_photo": "Those in no photo at all.",
    "student_coverage.mean_appearances": "Photos a student, bursts counted once.",
    "student_coverage.mean_candids": "The same, without class photos and portraits.",
    "student_coverage.goal": "How many photos of a school year each student should be in.",
    "student_coverage.most_below": "Share of the students that may be below it without a warning.",
}
"""`table.column` → what it holds there."""

_NO_COLUMN = re.compile(r"^(PRIMARY KEY|UNIQUE)\b", re.IGNORECASE)


def describe_column(table: str, column: str) -> str:
    """What a column holds.

    Raises:
        KeyError: Nobody described it.
    """
    own = OF_ONE_TABLE.get(f"{table.removesuffix('_of_head')}.{column}") or OF_ONE_TABLE.get(f"{table}.{column}")
    return own or COLUMNS[column]


def parquet_schema(table: str, columns: Mapping[str, pl.DataType | str]) -> dg.TableSchema:
    """A Parquet table, name → type, as the catalog shows it."""
    return dg.TableSchema(
        [dg.TableColumn(name, str(dtype), describe_column(table, name)) for name, dtype in columns.items()]
    )


def database_schema(table: str) -> dg.TableSchema:
    """A table of the DuckDB file, with its constraints, as the catalog shows it."""
    return dg.TableSchema(
        [
            dg.TableColumn(
                name,
                sql_type,
                describe_column(table, name),
                dg.TableColumnConstraints(nullable=not required, unique=unique),
            )
            for name, sql_type, required, unique in _database_columns(DUCKDB_TABLES[table])
        ]
    )


def _database_columns(definition: str) -> Iterator[tuple[str, str, bool, bool]]:
    """Name, type, whether it is required, and whether it is unique, of each column of a table's definition."""
    for item in re.split(r",(?![^(]*\))", definition):
        text = " ".join(item.split())
        if _NO_COLUMN.match(text):
            continue
        name, sql_type, *rest = text.split(" ", 2)
        constraints = rest[0] if rest else ""
        is_key = "PRIMARY KEY" in constraints
        yield name, sql_type, is_key or "NOT NULL" in constraints, is_key
