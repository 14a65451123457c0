"""Tells what a path holds by its content and opens it, archives inside archives included, one level deep."""

from __future__ import annotations

import functools
import io
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec.structs import replace

from glibc_guard.artifacts.bombs import refuse_bomb
from glibc_guard.artifacts.deb import AR_MAGIC, deb_members, is_deb
from glibc_guard.artifacts.member import (
    ArtifactError,
    AsStream,
    Content,
    DiskFile,
    Member,
    MemoryFile,
    NestedWheel,
    PlainContent,
    RandomAccess,
    printable,
    unreadable,
)
from glibc_guard.limits import Limits, beyond
from glibc_guard.model import ArtifactKind, InstalledWheel, WheelFacts
from glibc_guard.urls import file_name, is_url, shown

ELF_MAGIC: Final = b"\x7fELF"
ZIP_MAGICS: Final = (b"PK\x03\x04", b"PK\x05\x06")
COMPRESSION_MAGICS: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
TAR_MAGIC: Final = slice(257, 262)  # "ustar" in the first header
START_BYTES: Final = 512
# No ".jar": it carries libraries for many systems, and the Java program takes the one that fits.
ARCHIVE_SUFFIXES: Final = (
    ".whl", ".zip", ".egg", ".conda", ".deb", ".pyz", ".pex",
    ".tar", ".tgz", ".tbz2", ".txz", ".tzst", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst",
)  # fmt: skip
#: What installers look into as zip archives, from the end, whatever they begin with.
ZIP_SUFFIXES: Final = (".whl", ".zip", ".egg", ".conda", ".pyz", ".pex")
ZIP_END: Final = b"PK\x05\x06"
ZIP_END_WITHIN: Final = 22 + 0xFFFF  # bytes before the end: the record and the longest comment (APPNOTE 4.3.16)
#: Beginnings by which bsdtar takes a file for a compressed one (archive_read_support_filter_*.c of libarchive), and
#: nothing here does: frames of lz4 and zstd to skip, lz4, lzip, lzop, compress, RPM, grzip, lrzip, LZMA, uuencode.
OTHER_FILTERS: Final = re.compile(
    rb"[\x50-\x5f]\x2a\x4d\x18|\x04\x22\x4d\x18|\x02\x21\x4c\x18|LZIP[\0\1][^\0]|\x89LZO\0|\x1f[\x9d\xa0]|\xed\xab\xee\xdb"
    rb"|GRZipII\0[^\0]|LRZI\0[^\0]|[\x5d\x5e]\0\0?[^\0]|begin(-base64)? [0-7]{3}"
)
OTHER_FORMATS: Final = {
    b"MZ": "a Windows program or library",
    b"\xcf\xfa\xed\xfe": "a macOS program or library",
    b"\xca\xfe\xba\xbe": "a macOS universal binary or a Java class",
    AR_MAGIC: "a static library (.a): no loader sees it; check what it is linked into",
    b"\xed\xab\xee\xdb": "an RPM package, which is not supported: unpack it and check the folder",
}

if TYPE_CHECKING:
    from typing_extensions import Self

    from glibc_guard.artifacts.fetched import Fetched
    from glibc_guard.artifacts.remote import RemoteFile
    from glibc_guard.artifacts.wheel import Record

Opener: TypeAlias = Callable[[RandomAccess, Limits], Iterator[Member]]


class OpenArtifact:
    """An artifact whose members are read one after the other; use it as a context manager."""

    def __init__(
        self, path: str, kind: ArtifactKind, size: int | None, members: Iterator[Member], limits: Limits
    ) -> None:
        """Wrap ``members``."""
        self.path = path
        self.kind = kind
        self.size = size  # bytes; None for a folder
        self.installed: tuple[InstalledWheel, ...] = ()  # of a folder that pip unpacked wheels into
        self.links: list[tuple[str, str]] = []  # path → path; complete when the last member was given
        self.archives: dict[str, int] = {}  # archives inside, wheels too: path → bytes; complete likewise
        self.file: DiskFile | None = None  # closed with the artifact, as is the next
        self.remote: RemoteFile | None = None
        self.keeping: Fetched | None = None  # what takes the remote file instead
        self.describe: Callable[[], tuple[WheelFacts, Record]] | None = None  # of a wheel; raises ArtifactError
        self._told: tuple[WheelFacts, Record] | None = None
        self._members = members
        self._limits = limits

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what is open and not kept."""
        if self.file is not None:
            self.file.close()
        if self.remote is not None and self.keeping is not None:
            self.keeping.keep(self.remote.url, self.remote)
        elif self.remote is not None:
            self.remote.close()

    def wheel(self) -> tuple[WheelFacts, Record] | None:
        """Return what a wheel says of itself, read when it is first asked for; None of all else. Raises ArtifactError.

        The record is complete when the last member was read.
        """
        if self._told is None and self.describe is not None:
            self._told = self.describe()
        return self._told

    def members(self) -> Iterator[Member]:
        """Yield each regular file once; ``kind`` is final when the last one was given. Raises ArtifactError."""
        inflated = 0
        for count, member in enumerate(self._members, 1):
            if count > self._limits.members:
                raise ArtifactError(beyond("more members than that", "members", self._limits.members))
            inflated += member.size
            if self.kind != "folder":
                refuse_bomb(inflated, inflated, self._limits)
            if self.kind == "tar":
                self.kind = _kind_of_tar(self.path, member.path)
            if member.archive:
                self.archives[member.path] = member.size
            elif member.link is None:
                yield member
            else:
                self.links.append((member.path, member.link))


def open_artifact(path: str, limits: Limits, fetched: Fetched | None = None) -> OpenArtifact:
    """Open ``path``, whatever it is called, by what it holds; of a URL, what is in ``fetched`` stays there.

    Raises:
        ArtifactError: it holds nothing that can be judged, or cannot be opened.
    """
    if is_url(path):
        return _open_remote(path, limits, fetched)
    if Path(path).is_dir():
        return _open_folder(path, limits)
    if Path(path).exists() and not Path(path).is_file():
        raise ArtifactError("neither a file nor a folder, but a pipe, a socket or a device")
    try:
        file = DiskFile(Path(path))
    except OSError as error:
        raise ArtifactError(f"cannot be read: {error.strerror or error}") from error
    try:
        opened = open_file(path, file, limits)
    except ArtifactError:
        file.close()
        raise
    except OSError as error:
        file.close()
        raise ArtifactError(f"cannot be read: {error.strerror or error}") from error
    opened.file = file
    return opened


def reported(path: str) -> str:
    """Return how a report names ``path``: a URL without its query and fragment."""
    return shown(path) if is_url(path) else printable(path)


def _open_remote(url: str, limits: Limits, fetched: Fetched | None) -> OpenArtifact:
    from glibc_guard.artifacts.remote import RemoteFile  # noqa: PLC0415  # lazy: http.client and ssl take 40 ms

    kept = fetched.take(url) if fetched is not None else None
    file = kept if kept is not None else RemoteFile(url, limits)
    try:
        opened = open_file(url, file, limits)
    except ArtifactError:
        file.close()
        raise
    opened.remote, opened.keeping = file, fetched
    return opened


def _open_folder(path: str, limits: Limits) -> OpenArtifact:
    from glibc_guard.artifacts.folder import folder_members  # noqa: PLC0415  # lazy, like the reader of each kind
    from glibc_guard.artifacts.site_packages import installed_wheels  # noqa: PLC0415  # lazy

    opened = OpenArtifact(
        path, "folder", None, _with_nested(folder_members(Path(path)), limits, limits.nesting), limits
    )
    opened.installed = installed_wheels(Path(path))
    return opened


def open_file(given: str, file: RandomAccess, limits: Limits) -> OpenArtifact:
    """Open what is in ``file``, which is called ``given``; raises ArtifactError as `open_artifact` does."""
    # Of a URL the name is what counts, without query and fragment, and as it is saved under.
    path = file_name(given) if is_url(given) else given
    start = file.read_at(0, START_BYTES)
    opener = _opener(start, path)
    if path.lower().endswith(ZIP_SUFFIXES) and opener is not _zip_members:
        what = "a wheel" if path.lower().endswith(".whl") else "a zip archive"
        raise ArtifactError(f"named like {what}, but it does not begin as a zip archive does: {_what_else(start)}")
    if start.startswith(ELF_MAGIC):
        place = Path(path) if isinstance(file, DiskFile) else None
        only = Member(reported(given), file.size, lambda: PlainContent(file), file=place)
        return OpenArtifact(path, "elf", file.size, iter([only]), limits)
    if opener is None:
        raise ArtifactError(_what_else(start))
    if path.lower().endswith(".whl"):
        members, describe = _wheel(Path(path).name, file, limits)
        opened = OpenArtifact(path, "wheel", file.size, _with_nested(members, limits, limits.nesting), limits)
        opened.describe = describe
        return opened
    kind: ArtifactKind = "deb" if opener is deb_members else "tar" if opener is _tar_members else "zip"
    depth = limits.nesting
    if kind == "zip" and path.endswith(".conda"):
        kind, depth = "conda", depth + 1  # its payload is a tar inside the zip, which is no nesting of the user's
    return OpenArtifact(path, kind, file.size, _with_nested(opener(file, limits), limits, depth), limits)


def _opener(start: bytes, path: str) -> Opener | None:
    """Return what opens an archive at ``path`` that begins with ``start``; None if it is no archive that is known.

    Raises:
        ArtifactError: it begins as a tar does, and as something else.
    """
    _refuse_two_formats(start)
    if start.startswith(ZIP_MAGICS) or (_is_zip_application(start) and not path.lower().endswith(".whl")):
        return _zip_members
    if is_deb(start):
        return deb_members
    if start.startswith(COMPRESSION_MAGICS) or _is_tar(start):
        return _tar_members
    return None


def _refuse_two_formats(start: bytes) -> None:
    """Raise ArtifactError for a tar whose first name is the magic of another format: some tools open it as that."""
    magics = (ELF_MAGIC, AR_MAGIC, *ZIP_MAGICS, *COMPRESSION_MAGICS)
    other = start.startswith(magics) or _is_zip_application(start) or OTHER_FILTERS.match(start)
    if other and _is_tar(start):
        raise ArtifactError("it begins as a tar does, and as a file of another format: tools differ in what they open")


def _is_tar(start: bytes) -> bool:
    return start[TAR_MAGIC] == b"ustar" or _is_old_tar(start)


def _is_zip_application(start: bytes) -> bool:
    """Recognise what ``zipapp`` and pex make: a line for the kernel, and a zip archive behind it (PEP 441)."""
    line, _, rest = start.partition(b"\n")
    return line.startswith(b"#!") and rest.startswith(ZIP_MAGICS)


def _is_old_tar(start: bytes) -> bool:
    """Recognise a tar of Unix V7, which has no magic, by the checksum of its first header."""
    try:
        checksum = int(start[148:156].strip(b" \0"), 8)
    except ValueError:
        return False
    return len(start) == START_BYTES and checksum == sum(start[:148]) + 8 * 0x20 + sum(start[156:])


def _wheel(
    name: str, file: RandomAccess, limits: Limits
) -> tuple[Iterator[Member], Callable[[], tuple[WheelFacts, Record]]]:
    """Return the members of a wheel, and what reads from all of them what it says of itself."""
    from glibc_guard.artifacts.wheel import Record, wheel_facts  # noqa: PLC0415  # lazy
    from glibc_guard.artifacts.zip_archive import zip_members  # noqa: PLC0415  # lazy

    record = Record(limits)
    given, again = itertools.tee(zip_members(file, limits, record.read_whole))

    def describe() -> tuple[WheelFacts, Record]:
        members = list(again)
        facts = wheel_facts(name, members, limits)
        record.load(members)
        return facts, record

    return given, describe


def _zip_members(file: RandomAccess, limits: Limits) -> Iterator[Member]:
    from glibc_guard.artifacts.zip_archive import zip_members  # noqa: PLC0415  # lazy

    yield from zip_members(file, limits)


def _tar_members(file: RandomAccess, limits: Limits) -> Iterator[Member]:
    from glibc_guard.artifacts.tar_archive import decompressed, tar_members  # noqa: PLC0415  # lazy

    stream = io.BufferedReader(AsStream(file))
    yield from tar_members(decompressed(stream, file.read_at(0, 8)), limits, file.size)


def _with_nested(members: Iterator[Member], limits: Limits, depth: int) -> Iterator[Member]:
    """Replace each archive among ``members`` by its own members, ``depth`` levels deep; deeper ones are unreadable."""
    for member in members:
        if member.link is not None or not member.path.lower().endswith(ARCHIVE_SUFFIXES):
            yield member
            continue
        try:
            content = member.open()
            opener = _opener(content.read(0, START_BYTES), member.path)
            if _is_disguised(member, content, opener):
                reason = "named like an archive, but it is none that can be opened: check what it holds by itself"
                yield unreadable(member.path, member.size, reason)
            elif opener is None and member.sequential:
                yield replace(member, open=functools.partial(_same, content))
            elif opener is None:
                content.close()
                yield member
            elif depth == 0:
                yield unreadable(
                    member.path,
                    member.size,
                    beyond(
                        "an archive in an archive in an archive (it can be checked by itself)",
                        "nesting",
                        limits.nesting,
                    ),
                )
            else:
                yield replace(member, archive=True)
                yield from _inside(member, content, opener, limits, depth)
        except ArtifactError as error:
            yield unreadable(member.path, member.size, str(error))


def _is_disguised(member: Member, content: Content, opener: Opener | None) -> bool:
    """Tell a damaged archive, or one that is another kind to other tools, from a text that is only called like one."""
    start = content.read(0, START_BYTES)
    like_zip = member.path.lower().endswith(ZIP_SUFFIXES)
    if opener is not None:
        return like_zip and opener is not _zip_members
    if not _is_text(start):
        return bool(start)
    return like_zip and ZIP_END in content.read(max(0, member.size - ZIP_END_WITHIN), ZIP_END_WITHIN)


def _same(content: Content) -> Content:
    return content


def _inside(member: Member, content: Content, opener: Opener, limits: Limits, depth: int) -> Iterator[Member]:
    if member.size > limits.nested_archive_bytes:
        what = f"a nested archive of {member.size} bytes (it can be checked by itself)"
        raise ArtifactError(beyond(what, "nested_archive_bytes", limits.nested_archive_bytes))
    data = content.read(0, member.size)
    content.verify()
    content.close()
    if member.path.lower().endswith(".whl") and opener is _zip_members:
        import hashlib  # noqa: PLC0415  # lazy

        members, describe = _wheel(PurePosixPath(member.path).name, MemoryFile(data), limits)
        wheel = NestedWheel(member.path, member.size, hashlib.sha256(data).hexdigest(), *describe())
        for inner in _with_nested(members, limits, depth - 1):
            yield replace(inner, wheel=wheel)
    else:
        for inner in _with_nested(opener(MemoryFile(data), limits), limits, depth - 1):
            link = None if inner.link is None else f"{member.path}/{inner.link}"
            yield replace(inner, path=f"{member.path}/{inner.path}", link=link)


def _kind_of_tar(path: str, member: str) -> ArtifactKind:
    folder, _, name = member.partition("/")
    if name == "PKG-INFO" and PurePosixPath(path).name.startswith(f"{folder}."):
        return "sdist"
    return "conda" if member == "info/index.json" else "tar"


def _what_else(start: bytes) -> str:
    if not start:
        return "empty file"
    for magic, name in OTHER_FORMATS.items():
        if start.startswith(magic):
            return f"{name}; expected a wheel, an archive, a Debian or conda package, a folder or an ELF file"
    return (
        f"{'a text file' if _is_text(start) else 'a file of unknown format'}; expected a wheel, an archive (zip, tar), "
        "a Debian or conda package, a folder or an ELF file"
    )


def _is_text(start: bytes) -> bool:
    return not set(start) - set(range(0x20, 0x7F)) - {9, 10, 13}
