"""Records of what was made of which inputs: read as they were written, or not at all."""

import json
from hashlib import blake2b
from pathlib import Path

import pytest

from classface_assets.store.artifacts.memoization import DamagedRecordError, InputFingerprint, read_record


@pytest.fixture
def fingerprint(tmp_path: Path) -> InputFingerprint:
    """A recorded output of one file."""
    made = InputFingerprint(tmp_path / "stamps" / "asset.json", "inputs", (tmp_path,))
    output = tmp_path / "output"
    output.write_text("output")
    made.record({"rows": ["", 7], "name": ["", "Łucja"]}, [output], digested=tmp_path)
    return made


def test_a_record_is_read_as_it_was_written(fingerprint: InputFingerprint) -> None:
    record = read_record(fingerprint.file)
    assert record.made_of == "inputs" and record.metadata == {"rows": ["", 7], "name": ["", "Łucja"]}
    assert list(record.outputs) == list(record.digests) == ["0/output"]
    assert fingerprint.cached_metadata() == record.metadata


def test_a_record_in_which_any_byte_of_its_content_is_another_is_damaged(fingerprint: InputFingerprint) -> None:
    content = fingerprint.file.read_bytes()
    for at in range(content.index(b"made_of"), len(content)):
        fingerprint.file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(DamagedRecordError):
            read_record(fingerprint.file)


def test_records_of_older_versions_are_read_and_compared_with_their_digest(fingerprint: InputFingerprint) -> None:
    plain = json.loads(fingerprint.file.read_bytes())
    del plain["digest"]
    fingerprint.file.write_text(json.dumps(plain))
    assert read_record(fingerprint.file).made_of == "inputs"
    digest = blake2b(json.dumps(plain, sort_keys=True).encode(), digest_size=16).hexdigest()
    fingerprint.file.write_text(json.dumps({**plain, "digest": digest}))
    assert read_record(fingerprint.file).made_of == "inputs"
    fingerprint.file.write_text(json.dumps({**plain, "made_of": "others", "digest": digest}))
    with pytest.raises(DamagedRecordError):
        read_record(fingerprint.file)
