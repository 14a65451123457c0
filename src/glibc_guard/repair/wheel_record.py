"""Rewrites the RECORD of a wheel (PEP 376, PEP 427): the hash and the size of the members that were changed."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from typing import Final

from glibc_guard.artifacts.member import normalized
from glibc_guard.repair.changes import RepairError

SIGNATURES: Final = ("RECORD.jws", "RECORD.p7s")


def refuse_signed(names: Sequence[str]) -> None:
    """Raise RepairError where a member signs the RECORD: any change would void that."""
    for name in names:
        folder, _, file = name.partition("/")
        if folder.endswith(".dist-info") and file in SIGNATURES:
            raise RepairError(
                f"it is signed ({name}), and a change would void the signature: repair it before it is signed"
            )


def record_name(names: Sequence[str]) -> str:
    """Return the name of the RECORD; raises RepairError where there is not exactly one."""
    found = [name for name in names if name.partition("/")[0].endswith(".dist-info") and name.endswith("/RECORD")]
    found = [name for name in found if name.count("/") == 1]
    if len(found) != 1:
        raise RepairError(f"it holds {len(found)} RECORD files, and a wheel has one")
    return found[0]


def rewritten(record: bytes, contents: Mapping[str, tuple[bytes, bytes]]) -> bytes:
    """Return ``record`` with the rows of the members in ``contents`` renewed, every other line as it was.

    ``contents`` has the old and the new content of each changed member, by its normalized path.

    Raises:
        RepairError: a member is not listed just once, or not with its hash.
    """
    lines = record.decode("utf-8", "surrogateescape").splitlines(keepends=True)
    left = dict(contents)
    for number, line in enumerate(lines):
        ending = line[len(line.rstrip("\r\n")) :]
        row = _row(line)
        path = normalized(row[0]) if row else ""
        if path not in contents:
            continue
        if path not in left or len(row) != 3:
            raise RepairError(f"{path} has two rows in RECORD, or one that is none")
        before, after = left.pop(path)
        if row[1].rstrip("=") != _hash(before) or row[2] != str(len(before)):
            raise RepairError(f"{path} has another hash or size than RECORD says: which of them is right is not known")
        lines[number] = _line([row[0], _hash(after), str(len(after))]) + ending
    if left:
        raise RepairError(f"{next(iter(left))} is not listed in RECORD")
    return "".join(lines).encode("utf-8", "surrogateescape")


def _row(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error as error:
        raise RepairError(f"its RECORD has a row that does not end where its line does: {error}") from error


def _line(row: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue()


def _hash(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
