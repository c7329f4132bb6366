"""Where the column chunks of a Parquet file lie, read from its footer.

The footer is a structure in Thrift's compact protocol
(https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md), whose fields have numbers
(https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift). pyarrow reads it too, but to
import that takes 30 MB of memory in every process that writes a file.
"""

import struct
from typing import NamedTuple

_BOOLEANS = {1: True, 2: False}
_BYTE, _DOUBLE, _BINARY, _STRUCT = 3, 7, 8, 12
_INTEGERS = (4, 5, 6)
_LISTS = (9, 10)
_LONG_LIST = 15
"""The size of a list that follows as a number of its own."""
_ROW_GROUPS, _COLUMNS, _METADATA = 4, 1, 3
"""Fields of FileMetaData, RowGroup and ColumnChunk."""
_PATH, _COMPRESSED_SIZE, _DATA_AT, _DICTIONARY_AT = 3, 7, 9, 11
"""Fields of ColumnMetaData."""
Fields = dict[int, "Value"]
Value = bool | int | float | bytes | list["Value"] | Fields | None


class FooterError(ValueError):
    """Bytes that are no footer."""


class ColumnChunk(NamedTuple):
    """A column chunk of one row group."""

    start: int
    """Its first byte in the file."""
    size: int
    """In bytes."""
    column: str
    """The column that it is a part of."""


def column_chunks(footer: bytes) -> list[ColumnChunk]:
    """Every column chunk, in their order in the file.

    Args:
        footer: The bytes of FileMetaData, and perhaps others after them.

    Raises:
        FooterError: They are not.
    """
    try:
        groups = _structures(_CompactReader(footer).fields()[_ROW_GROUPS])
        columns = [column for group in groups for column in _structures(group[_COLUMNS])]
        return sorted(_chunk(column[_METADATA]) for column in columns)
    except (KeyError, IndexError) as error:
        raise FooterError("the footer cannot be read") from error


def _structures(values: Value) -> list[Fields]:
    """The structures of a list."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _chunk(metadata: Value) -> ColumnChunk:
    known = metadata if isinstance(metadata, dict) else {}
    path, size, data_at = known[_PATH], known[_COMPRESSED_SIZE], known[_DATA_AT]
    start = min(_number(data_at), _number(known.get(_DICTIONARY_AT, data_at)))
    name = path[0] if isinstance(path, list) else None
    if not isinstance(name, bytes):
        raise FooterError("the footer cannot be read")
    return ColumnChunk(start, _number(size), name.decode())


def _number(value: Value) -> int:
    if not isinstance(value, int):
        raise FooterError("the footer cannot be read")
    return value


class _CompactReader:
    """Reads values of Thrift's compact protocol one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def fields(self) -> Fields:
        """A structure: its values by the numbers of the fields."""
        found: Fields = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            found[number] = _BOOLEANS[kind] if kind in _BOOLEANS else self._value(kind)
        return found

    def _value(self, kind: int) -> Value:
        if kind in _INTEGERS:
            return self._integer()
        if kind == _BINARY:
            return self._bytes(self._unsigned())
        if kind in _LISTS:
            return self._list()
        if kind == _STRUCT:
            return self.fields()
        if kind == _DOUBLE:
            return float(struct.unpack("<d", self._bytes(8))[0])
        if kind == _BYTE or kind in _BOOLEANS:
            return self._byte()
        raise FooterError("the footer cannot be read")  # Parquet's footers have no maps

    def _list(self) -> list[Value]:
        head = self._byte()
        size = head >> 4
        if size == _LONG_LIST:
            size = self._unsigned()
        return [self._value(head & 15) for _ in range(size)]

    def _integer(self) -> int:
        """A signed number: zigzag."""
        number = self._unsigned()
        return number >> 1 ^ -(number & 1)

    def _unsigned(self) -> int:
        """Seven bits a byte, the lowest first."""
        number = shift = 0
        while (byte := self._byte()) & 0x80:
            number |= (byte & 0x7F) << shift
            shift += 7
        return number | byte << shift

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _bytes(self, size: int) -> bytes:
        taken = self._content[self._at : self._at + size]
        if len(taken) < size:
            raise FooterError("the footer cannot be read")
        self._at += size
        return taken
