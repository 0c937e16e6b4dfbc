"""The block format of snappy, as far as reading: Prometheus remote write has its bodies in it."""

from __future__ import annotations


def decompress(data: bytes) -> bytes:
    """
    Return what *data* holds.

    Source: https://github.com/google/snappy/blob/main/format_description.txt
    """
    size, at = _varint(data)
    made = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            length = (tag >> 2) + 1
            if length > 60:
                extra = length - 60
                length = int.from_bytes(data[at : at + extra], "little") + 1
                at += extra
            made += data[at : at + length]
            at += length
            continue
        length, offset, at = _copy(data, tag, at)
        for _ in range(length):
            made.append(made[-offset])
    assert len(made) == size, f"{len(made)} bytes instead of {size}"
    return bytes(made)


def _copy(data: bytes, tag: int, at: int) -> tuple[int, int, int]:
    """Return length and offset of a copy, and where the next element begins."""
    if tag & 3 == 1:
        return ((tag >> 2) & 7) + 4, ((tag >> 5) << 8) | data[at], at + 1
    wide = 2 if tag & 3 == 2 else 4
    return (tag >> 2) + 1, int.from_bytes(data[at : at + wide], "little"), at + wide


def _varint(data: bytes) -> tuple[int, int]:
    value = shift = at = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
