"""What tests of several rooms need: a process that runs some code, and events of the ledger written by hand."""

import subprocess
import sys
from datetime import UTC, datetime

from classface_assets.store.decisions import Box, LabelledFace
from classface_assets.store.events import Event

NOW = datetime(2024, 5, 4, 12, tzinfo=UTC)


def python(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """A real process that runs this code; its output is read as text."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def face(face_id: str, asset_id: str = "photo", box: Box = (0, 0, 100, 100)) -> LabelledFace:
    return LabelledFace(face_id, asset_id, box)


def event(number: int, kind: str, **payload: object) -> Event:
    return Event(number, NOW, "me", kind, payload)


def label_event(number: int, person: str, *faces: LabelledFace) -> Event:
    return event(number, "faces_labelled", person_id=person, faces=[f.payload() for f in faces])
