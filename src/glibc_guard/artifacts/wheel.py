"""What a wheel says of itself: its file name (PEP 427, PEP 425 compressed tag sets) and its WHEEL file."""

from __future__ import annotations

import base64
import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence

from glibc_guard.artifacts.member import ArtifactError, Member, normalized
from glibc_guard.limits import Limits, beyond
from glibc_guard.model import RecordProblem, WheelFacts

PACKAGE_START = re.compile(r"(?:[^/]+\.data/(?:platlib|purelib)/)?[^/]+/(?:__init__|_distributor_init\w*)\.py")
START_BYTES = 256 * 1024
LIBRARY = re.compile(rb"""["'](lib[A-Za-z0-9_+-]{1,80})""")
#: What is imported between ``sys.setdlopenflags(… RTLD_GLOBAL)`` and the next such call, both outside of any condition.
GLOBAL_FLAGS = re.compile(rb"^\w*sys\.setdlopenflags\(([^\n]*)", re.MULTILINE)
IMPORTED = re.compile(rb"^(?:from[ \t]+([.\w]+)[ \t]+)?import[ \t]+([^\n#]*)", re.MULTILINE)
MAX_NAMES = 100
MAX_TAGS = 400  # expanded; the compressed tag sets of real wheels stand for a dozen


class Record:
    """The RECORD file of a wheel (PEP 376, PEP 427), held against the members that are read to their end."""

    def __init__(self, limits: Limits | None = None) -> None:
        """Begin with nothing known."""
        self._limits = limits or Limits()
        self._entries: dict[str, tuple[str, str]] = {}
        self._read: dict[str, tuple[bytes, int]] = {}

    def load(self, members: Sequence[Member]) -> None:
        """Read RECORD; raises ArtifactError where it is missing, damaged or too large."""
        data = io.BytesIO(_metadata(members, "RECORD", self._limits))
        known = {member.path for member in members}  # what else it lists takes no memory
        try:
            for row in csv.reader(io.TextIOWrapper(data, "utf-8", "replace", newline="")):
                if len(row) == 3 and (path := normalized(row[0])) in known:
                    self._entries[path] = (row[1], row[2])
        except csv.Error as error:
            raise ArtifactError(f"damaged wheel: its RECORD is no table of names and hashes: {error}") from error

    def read_whole(self, path: str, sha256: bytes, size: int) -> None:
        """Take note of a member that was read to its end: every native one is, and few others."""
        self._read[path] = (sha256, size)

    def problems(self) -> tuple[RecordProblem, ...]:
        """Return what of the members that were read does not agree with what was loaded, sorted by path."""
        told = ((path, self._problem(path, *self._read[path])) for path in sorted(self._read))
        return tuple(RecordProblem(path, problem) for path, problem in told if problem is not None)

    def _problem(self, path: str, sha256: bytes, size: int) -> str | None:
        entry = self._entries.get(path)
        if entry is None:
            return "is not listed in RECORD: an uninstaller or a verifier does not know of it"
        algorithm, _, expected = entry[0].partition("=")
        actual = base64.urlsafe_b64encode(sha256).rstrip(b"=").decode()
        if algorithm != "sha256":
            return f"is listed in RECORD without a SHA-256 that could be compared ({entry[0][:20] or 'none'})"
        if expected.rstrip("=") != actual:
            return f"has another hash than RECORD says: sha256={actual} instead of {entry[0]}"
        if entry[1] != str(size):
            return f"has {size} bytes, and RECORD says {entry[1][:20]}"
        return None


def wheel_facts(file_name: str, members: Sequence[Member], limits: Limits) -> WheelFacts:
    """Read the tags that pip goes by (those of the file name) and those of the WHEEL file.

    Raises:
        ArtifactError: the name is not one that pip would install, or the WHEEL file is missing or damaged.
    """
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename  # noqa: PLC0415  # lazy

    if number_of_tags(file_name.removesuffix(".whl")) > MAX_TAGS:  # counted before any is made of them
        raise ArtifactError(f"not a wheel that pip would install: its name stands for more than {MAX_TAGS} tags")
    try:
        name, version, _, _ = parse_wheel_filename(file_name)
    except InvalidWheelFilename as error:
        raise ArtifactError(f"not a valid wheel file name, so pip would refuse it: {error}") from error
    compressed = file_name.removesuffix(".whl").rsplit("-", 3)[1:]
    tags = _expanded("-".join(compressed))
    written = tags_in(_metadata(members, "WHEEL", limits))
    starts = [
        member.open().read(0, START_BYTES)
        for member in members
        if PACKAGE_START.fullmatch(member.path) and member.size <= START_BYTES
    ]
    return WheelFacts(str(name), str(version), tags, written, preloads(starts), loaded_globally(starts))


def preloads(starts: Iterable[bytes]) -> bool:
    """Tell whether a package loads libraries by path, as some do with what lies in their ``NAME.libs`` folder."""
    return any(b"CDLL" in start for start in starts)


def loaded_globally(starts: Iterable[bytes]) -> tuple[str, ...]:
    """Return the stems of libraries and modules that these starts of packages seem to load with RTLD_GLOBAL."""
    found: set[bytes] = set()
    for start in starts:
        if b"RTLD_GLOBAL" in start:
            found.update(LIBRARY.findall(start) if b"CDLL" in start else ())
            found.update(_imported_globally(start))
    return tuple(sorted(name.decode("ascii", "replace") for name in found))[:MAX_NAMES]


def _imported_globally(start: bytes) -> Iterator[bytes]:
    calls = [*GLOBAL_FLAGS.finditer(start)]
    for number, call in enumerate(calls, 1):
        end = calls[number].start() if number < len(calls) else len(start)
        if b"RTLD_GLOBAL" in call[1]:
            for package, names in IMPORTED.findall(start, call.end(), end):
                yield from (one for one in (package.rpartition(b".")[2], *re.findall(rb"\w+", names)) if one)


def tags_in(wheel_file: bytes) -> tuple[str, ...]:
    """Return the tags of a WHEEL file, expanded; raises ArtifactError where there are more than anybody has."""
    # Line by line and not by a parser of headers: some tools leave an empty line before the tags.
    lines = wheel_file.decode("utf-8", "replace").splitlines()
    tags = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("tag:")]
    if sum(map(number_of_tags, tags)) > MAX_TAGS:
        raise ArtifactError(f"damaged wheel: its WHEEL file names more than {MAX_TAGS} tags")
    return tuple(sorted(expanded for tag in tags for expanded in _expanded(tag)))


def number_of_tags(compressed: str) -> int:
    """Return for how many tags a compressed tag set (PEP 425) stands that is all of ``compressed``, or its end."""
    return math.prod(part.count(".") + 1 for part in compressed.rsplit("-", 3)[-3:])


def _metadata(members: Iterable[Member], wanted: str, limits: Limits) -> bytes:
    for member in members:
        folder, _, name = member.path.partition("/")
        if name == wanted and folder.endswith(".dist-info"):
            if member.size > limits.metadata_bytes:
                what = f"damaged wheel: {wanted} of {member.size} bytes"
                raise ArtifactError(beyond(what, "metadata_bytes", limits.metadata_bytes))
            content = member.open()
            data = content.read(0, member.size)
            content.verify()
            return data
    raise ArtifactError(f"damaged wheel: it holds no .dist-info/{wanted} file")


def _expanded(compressed: str) -> tuple[str, ...]:
    """Expand a compressed tag set; sorted, since ``parse_tag`` gives a set and a report must be the same each time."""
    from packaging.tags import parse_tag  # noqa: PLC0415  # lazy, since a folder has a use for the rest of this module

    try:
        return tuple(sorted(map(str, parse_tag(compressed))))
    except ValueError:
        return ()
