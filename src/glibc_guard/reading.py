"""Turns a path into frozen facts: opens the artifact, finds every ELF object in it, and reads each on a thread."""

from __future__ import annotations

import contextlib
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from glibc_guard.artifacts import (
    CHANGED,
    ELF_MAGIC,
    START_BYTES,
    ArtifactError,
    Content,
    Fetched,
    Limits,
    Member,
    NestedWheel,
    OpenArtifact,
    identity,
    may_be_packed,
    open_artifact,
    packed,
    reported,
)
from glibc_guard.elf import Allowance, ElfError, read_object
from glibc_guard.faults import own_fault
from glibc_guard.model import NOT_LOADED, Artifact, ElfObject, InstalledWheel, Unread, WheelFacts

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

ELF_HEADER_BYTES: Final = 52  # of a 32-bit object; nothing shorter is one
LIBRARY_NAME: Final = re.compile(r"\.so(\.\d+)*$")
OTHER_BINARIES: Final = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\0asm")
LINKER_SCRIPT: Final = re.compile(rb"GNU ld script|\b(?:INPUT|GROUP|OUTPUT_FORMAT)\s*\(")
LINKER_SCRIPT_BYTES: Final = 4096
HASH_STEP: Final = 1024 * 1024
WAITING: Final = 256  # members that are handed to the threads ahead of their results

T = TypeVar("T")
Result: TypeAlias = "ElfObject | Unread | Opaque | None"
Progress: TypeAlias = Callable[[str], None]  # called with the path of the artifact for each member that is done


class Opaque(Struct, frozen=True):
    """A member that may be native code which nothing here reads: unread where native code is promised, else data."""

    path: str
    reason: str


class Digest(Struct, frozen=True):
    """The SHA-256 of a file, and which file it was."""

    sha256: str
    file: tuple[int, int, int, int]


class _Found(Struct):
    """What was found so far in an artifact, or in a wheel inside it."""

    files: dict[str, int] = field(default_factory=dict)
    members: int = 0
    objects: list[ElfObject] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    opaque: list[Opaque] = field(default_factory=list)

    def add(self, member: Member, result: Result) -> None:
        self.members += 1
        self.files[member.path] = member.size
        if isinstance(result, ElfObject):
            self.objects.append(result)
        elif isinstance(result, Unread):
            self.unread.append(result)
        elif isinstance(result, Opaque):
            self.opaque.append(result)


class Reader(Struct, frozen=True):
    """What it takes to read artifacts."""

    limits: Limits
    pool: Executor  # on whose threads the objects are read
    progress: Progress | None = None
    meanwhile: Callable[[], None] | None = None  # called when there is nothing left to do but to wait for the threads
    fetched: Fetched | None = None  # keeps what is remote for another reading
    hashed: bool = True  # take the SHA-256 of files

    def read(self, path: str) -> list[Artifact]:
        """Read all that can be known of the artifact at ``path`` and of the wheels inside it, artifacts of their own.

        What cannot be read is told in ``unread``; nothing is raised.
        """
        digest = self.pool.submit(_sha256, path) if self.hashed else None
        try:
            return self._read(path, digest)
        except ArtifactError as error:
            return [_unreadable(path, _known(digest), str(error))]
        except Exception as error:  # noqa: BLE001  # hostile input met a fault of ours: the others are still judged
            reason = own_fault(error)
            return [_unreadable(path, _known(digest), reason)]

    def _read(self, path: str, digest: Future[Digest | None] | None) -> list[Artifact]:
        found: dict[NestedWheel | None, _Found] = {None: _Found()}
        with open_artifact(path, self.limits, self.fetched) as opened:
            try:
                for member, result in self._results(opened, found[None]):
                    if member.wheel not in found:
                        found[member.wheel] = _Found()
                    found[member.wheel].add(member, result)
                    if self.progress is not None:
                        self.progress(path)
            except ArtifactError:  # damaged, or written to since it was opened, which says more
                if opened.file is not None:
                    opened.file.check_unchanged()
                raise
            outer = _outer(path, opened, _of_what_was_read(opened, digest))
            found[None].files.update(opened.archives)
        nested = [_filled(_inner(outer, wheel), inside) for wheel, inside in found.items() if wheel is not None]
        wheels = tuple(wheel.path for wheel in found if wheel is not None)
        return [_filled(replace(outer, nested_wheels=wheels), found[None]), *nested]

    def _results(self, opened: OpenArtifact, outer: _Found) -> Iterator[tuple[Member, Result]]:
        """Yield what each member holds; the objects are read on the threads, those of a stream as they pass."""
        allowance = Allowance(self.limits)
        waiting: deque[tuple[Member, Future[Result]]] = deque()
        try:
            for member in _readable(opened, outer):
                # Most members are no objects, and to hand one to a thread costs more than to look at its first bytes.
                seen = _read_at_once(member, allowance) if member.sequential else _glance(member)
                if seen != "object":
                    yield member, seen
                    continue
                waiting.append((member, self.pool.submit(_with_content, member, partial(_object, member, allowance))))
                if len(waiting) > WAITING:
                    first, future = waiting.popleft()
                    yield first, future.result()
            opened.wheel()
            if self.meanwhile is not None:
                self.meanwhile()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _outer(path: str, opened: OpenArtifact, sha256: str | None) -> Artifact:
    """Return what is known of the artifact itself, its members apart."""
    facts, record = opened.wheel() or (None, None)
    return Artifact(
        path=reported(path),
        kind=opened.kind,
        size=opened.size,
        sha256=sha256,
        members=0,
        objects=(),
        wheel=facts,
        record_problems=record.problems() if record else (),
        links=tuple(opened.links),
        installed=opened.installed,
        notes=(opened.remote.remark(),) if opened.remote else (),
    )


def _is_for_linux(wheel: WheelFacts) -> bool:
    return any("linux" in platform for platform in wheel.platforms)


def _inner(outer: Artifact, wheel: NestedWheel) -> Artifact:
    return Artifact(
        path=f"{outer.path}/{wheel.path}",
        kind="wheel",
        size=wheel.size,
        sha256=wheel.sha256,
        members=0,
        objects=(),
        wheel=wheel.facts,
        record_problems=wheel.record.problems(),
        inside_wheel=outer.kind == "wheel",
    )


def _unreadable(path: str, sha256: str | None, reason: str) -> Artifact:
    return Artifact(reported(path), "unknown", _size(path), sha256, 0, (), (Unread(None, reason),))


def _filled(artifact: Artifact, found: _Found) -> Artifact:
    unread = [*found.unread, *_carried(found.objects)]
    if artifact.wheel is None:
        unread.extend(_not_judged(found.objects))
    if artifact.kind != "sdist" and (artifact.wheel is None or _is_for_linux(artifact.wheel)):
        unread.extend(Unread(entry.path, entry.reason) for entry in found.opaque)
    native = {item.path for item in found.objects}
    return replace(
        artifact,
        files=found.files,
        members=found.members,
        record_problems=tuple(problem for problem in artifact.record_problems if problem.path in native),
        objects=tuple(sorted(found.objects, key=lambda item: item.path)),
        installed=_owning(artifact.installed, native) if artifact.installed else (),
        unread=tuple(sorted(unread, key=lambda entry: entry.path or "")),
    )


def _carried(objects: Iterable[ElfObject]) -> Iterator[Unread]:
    for item in objects:
        if item.payload is not None:
            reason = f"carries what was not judged: {item.payload}; check what it was packed from"
            yield Unread(item.path, reason)


def _owning(wheels: Iterable[InstalledWheel], native: set[str]) -> tuple[InstalledWheel, ...]:
    from glibc_guard.artifacts.site_packages import owned  # noqa: PLC0415  # lazy, for few folders

    return tuple(replace(wheel, objects=owned(wheel, native)) for wheel in wheels)


def _readable(opened: OpenArtifact, outer: _Found) -> Iterator[Member]:
    """Yield the members up to where the artifact is damaged: what came before is still worth knowing."""
    try:
        yield from opened.members()
    except ArtifactError as error:
        outer.unread.append(Unread(None, str(error)))


def _glance(member: Member) -> Result | Literal["object"]:
    """Do what `_first_look` does, without opening the member where its first bytes tell all."""
    start = b"" if member.start is None else member.start()
    if start.startswith(ELF_MAGIC):
        return "object"
    if start and not may_be_packed(start) and not LIBRARY_NAME.search(member.path):
        return None
    return _with_content(member, partial(_first_look, member))


def _read_at_once(member: Member, allowance: Allowance) -> Result:
    def read(content: Content) -> Result:
        seen = _first_look(member, content)
        return _object(member, allowance, content) if seen == "object" else seen

    return _with_content(member, read)


def _first_look(member: Member, content: Content) -> Result | Literal["object"]:
    start = content.read(0, START_BYTES)
    if start.startswith(ELF_MAGIC):
        return "object"
    reason = packed(start, content, member.size) or _impostor(member, start, content)
    return None if reason is None else Opaque(member.path, reason)


def _object(member: Member, allowance: Allowance, content: Content) -> ElfObject | Unread:
    if member.size < ELF_HEADER_BYTES:
        return Unread(member.path, "truncated ELF header")
    found = read_object(member.path, member.size, content, allowance)
    content.verify()
    return found


def _with_content(member: Member, read: Callable[[Content], T]) -> T | Unread:
    try:
        with contextlib.closing(member.open()) as content:
            return read(content)
    except (ArtifactError, ElfError) as error:
        return Unread(member.path, str(error))
    except OSError as error:
        return Unread(member.path, f"cannot be read: {error.strerror or error}")
    except MemoryError:
        return Unread(member.path, "there is not enough memory to read it: give this machine more, or fewer --jobs")
    except Exception as error:  # noqa: BLE001  # hostile input met a fault of ours: unread, never a pass or a crash
        return Unread(member.path, own_fault(error))


def _impostor(member: Member, start: bytes, content: Content) -> str | None:
    """Tell what is wrong with a member that is called like a shared library of Linux and is none; None for all others.

    Text for the linker ("INPUT (…)") is called so too, and so are modules for macOS and for WebAssembly.
    """
    if not LIBRARY_NAME.search(member.path) or start.startswith(OTHER_BINARIES):
        return None
    if member.size and LINKER_SCRIPT.search(content.read(0, LINKER_SCRIPT_BYTES)):
        return None
    size = f"{member.size} bytes" if member.size else "empty"
    return f"named like a shared library, but it is none ({size}): was it copied without its content?"


def _not_judged(objects: list[ElfObject]) -> Iterator[Unread]:
    for item in objects:
        if item.architecture.startswith("EM_") and item.kind not in NOT_LOADED:
            yield Unread(item.path, f"built for {item.architecture}, an architecture that glibc-guard does not know")


def _of_what_was_read(opened: OpenArtifact, digest: Future[Digest | None] | None) -> str | None:
    """Return the digest of the very bytes that were read; raises ArtifactError where they changed meanwhile."""
    if opened.remote is not None:
        return opened.remote.digest()
    if opened.file is None:
        return None
    opened.file.check_unchanged()
    if digest is None:
        return None
    found = digest.result()
    if found is None or found.file != opened.file.identity:
        raise ArtifactError(CHANGED)
    return found.sha256


def _known(digest: Future[Digest | None] | None) -> str | None:
    """Return the digest where it could be made; memory may have run out for it too."""
    found = None if digest is None or digest.exception() is not None else digest.result()
    return None if found is None else found.sha256


def _size(path: str) -> int | None:
    return Path(path).stat().st_size if Path(path).is_file() else None


def _sha256(path: str) -> Digest | None:
    if not Path(path).is_file():
        return None
    import hashlib  # noqa: PLC0415  # lazy: OpenSSL takes 3 ms, and few reports hold a digest

    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            before = identity(os.fstat(file.fileno()))
            while piece := file.read(HASH_STEP):
                digest.update(piece)
    except OSError:  # reported where the artifact itself is opened
        return None
    return Digest(digest.hexdigest(), before)
