"""What passes between the rooms: frozen facts, targets, findings and the report (JSON schema 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Protocol, TypeAlias

from msgspec import Struct, field

Severity: TypeAlias = Literal["error", "warning", "note"]
Verdict: TypeAlias = Literal["pass", "fail", "unreadable"]
Libc: TypeAlias = Literal["glibc", "musl"]
Binding: TypeAlias = Literal["local", "global", "weak", "unique"]
ObjectKind: TypeAlias = Literal["executable", "shared", "static", "relocatable", "core", "device", "debug"]
ArtifactKind: TypeAlias = Literal["wheel", "sdist", "zip", "tar", "deb", "conda", "folder", "elf", "unknown"]

SCHEMA_VERSION: Final = 1
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")  # the worst first

#: Kinds of ELF object that a dynamic loader never maps as a program or library of the host.
NOT_LOADED: Final[frozenset[ObjectKind]] = frozenset({"relocatable", "core", "device", "debug"})

#: Kinds of artifact that ``fix`` can write a repaired copy of.
FIXABLE_KINDS: Final[frozenset[ArtifactKind]] = frozenset({"elf", "wheel", "zip", "folder"})
#: Architectures on which ``fix`` looks whether code compares the address of a weak symbol with 0; on others it only
#: repairs where that address is stored in data.
FIXABLE_ARCHITECTURES: Final = frozenset({"x86_64", "aarch64"})


# --- facts about one ELF object, as the loader reads them -----------------------------------------


class VersionNeed(Struct, frozen=True):
    """One entry (``Elf_Vernaux``) of a version requirement: ``version`` must be defined by ``library``."""

    library: str  # vn_file of the entry it belongs to
    version: str
    hash: int  # vna_hash as stored: the loader compares it before the name
    hash_matches: bool  # whether it is the hash of the name
    weak: bool  # VER_FLG_WEAK
    index: int  # vna_other without the hidden bit: what the version symbol table refers to


class VersionDefinition(Struct, frozen=True):
    """One entry (``Elf_Verdef``) of the versions that an object defines."""

    version: str
    hash: int
    index: int
    base: bool  # VER_FLG_BASE: names the object itself, no symbol version


class UndefinedSymbol(Struct, frozen=True):
    """A dynamic symbol that another object must provide; ``version`` and ``library`` are None if unversioned."""

    name: str
    binding: Binding
    version: str | None = None
    library: str | None = None
    relocated: bool = True  # a relocation refers to it; the loader never looks the others up


class SymbolLookup(Protocol):
    """How the loader looks for a name that an object defines: by its hash table, which may not lead there."""

    def provides(self, name: str) -> bool:
        """Tell whether it finds ``name``, which is one of those defined, in one version or other."""

    def provides_unversioned(self, name: str) -> bool:
        """Tell the same of a reference without a version."""


class ElfObject(Struct, frozen=True):
    """One ELF object as the dynamic loader sees it: from program headers and DT_ entries.

    What sections say is used for hearsay, which no loader looks at, and is marked so.
    """

    path: str  # inside the artifact; for a bare file the path that the user gave
    size: int  # bytes
    architecture: str  # "x86_64", "i686", "aarch64", …, or the gABI name ("EM_MIPS") of one that is not judged
    kind: ObjectKind
    interpreter: str | None = None
    soname: str | None = None
    needed: tuple[str, ...] = ()
    rpath: str | None = None
    runpath: str | None = None
    version_needs: tuple[VersionNeed, ...] = ()
    version_definitions: tuple[VersionDefinition, ...] = ()
    undefined: tuple[UndefinedSymbol, ...] = ()
    defined: frozenset[str] = frozenset()  # names that the symbol table of a shared object gives to others
    lookup: SymbolLookup | None = None  # what of `defined` the loader finds; None: all
    unique: frozenset[str] = frozenset()  # those defined as STB_GNU_UNIQUE: one definition serves the whole process
    unversioned: frozenset[str] = frozenset()  # those without a version, of an object that defines versions
    by_version: frozenset[str] = frozenset()  # those that no reference without a version gets: foo@V1, and no foo@@V2
    executable_stack: bool = False  # asked for by PT_GNU_STACK, or by the lack of it where the default is executable
    isa_level: int = 0  # x86-64-v1 … v4 as declared needed by the GNU property note; 0 where nothing is declared
    page_size: int = 0  # bytes: the largest with which addresses and file offsets of all PT_LOAD agree; 0 without any
    segment_alignment: int = 0  # bytes: the least p_align of the PT_LOADs; 0 without any
    relative_relocations: bool = False  # DT_RELR
    static_tls: bool = False  # DF_STATIC_TLS
    pie: bool = False  # DF_1_PIE: a program at any address, which glibc 2.30 and later refuse to load as a library
    glibc_start_files: bool = False  # linked with glibc's crt1.o, which leaves an NT_GNU_ABI_TAG note
    comments: tuple[str, ...] = ()  # compiler notes (the section ``.comment``), the first of them; hearsay, no proof
    build_folders: tuple[
        str, ...
    ] = ()  # absolute folders of RUNPATH or RPATH, and of the first units of DWARF; hearsay
    glibc_sections: bool = False  # sections that only the stdio of glibc has: it was linked in
    inconsistencies: tuple[str, ...] = ()  # where sections or counts tell another story than the loader's view
    payload: str | None = None  # what it carries for itself to unpack, which no loader sees and nothing here reads

    def provides(self, symbol: str) -> bool:
        """Tell whether the loader finds ``symbol`` in this object, in one version or other."""
        return symbol in self.defined and (self.lookup is None or self.lookup.provides(symbol))

    def provides_unversioned(self, symbol: str) -> bool:
        """Tell the same of a reference without a version."""
        return (
            symbol in self.defined
            and symbol not in self.by_version
            and (self.lookup is None or self.lookup.provides_unversioned(symbol))
        )


class WheelFacts(Struct, frozen=True):
    """What a wheel says of itself."""

    name: str
    version: str
    tags: tuple[str, ...]  # from the file name, expanded: "cp312-cp312-manylinux_2_17_x86_64"
    metadata_tags: tuple[str, ...]  # ``Tag:`` lines of the WHEEL file, expanded likewise
    preloads: bool = False  # a package of it loads libraries by path when it is imported (ctypes.CDLL)
    loads_globally: tuple[str, ...] = ()  # stems ("libtorch_global_deps") of what a package loads with RTLD_GLOBAL

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platform tags of the file name, each once, in the order of the name."""
        return tuple(dict.fromkeys(tag.rsplit("-", 1)[1] for tag in self.tags))


class InstalledWheel(Struct, frozen=True):
    """A wheel, or a package of another origin, in a ``site-packages`` folder, by its ``.dist-info``."""

    name: str
    platforms: tuple[str, ...]  # from the ``Tag:`` lines of its WHEEL file; none where it has no such file
    objects: frozenset[str] = frozenset()  # its ELF objects, by RECORD
    loads_globally: tuple[str, ...] = ()  # as of a wheel
    preloads: bool = False  # likewise


class RecordProblem(Struct, frozen=True):
    """A native member of a wheel that RECORD does not list, or lists with another hash or size."""

    path: str
    reason: str


class Unread(Struct, frozen=True):
    """A member (or the whole artifact, ``path`` None) that could not be read or understood, and why."""

    path: str | None
    reason: str


class Coverage(Struct, frozen=True):
    """How much was looked at: ``members`` in all, ``elf`` objects among them, ``unread`` ones."""

    members: int
    elf: int
    unread: int


class Artifact(Struct, frozen=True):
    """Everything known of one artifact before any judgement."""

    path: str
    kind: ArtifactKind
    size: int | None  # bytes; None for a folder
    sha256: str | None  # None for a folder and for what could not be read
    members: int
    objects: tuple[ElfObject, ...]
    unread: tuple[Unread, ...] = ()
    wheel: WheelFacts | None = None
    record_problems: tuple[RecordProblem, ...] = ()
    links: tuple[tuple[str, str], ...] = ()  # symbolic and hard links: path → path of what it leads to, both inside
    files: Mapping[str, int] = field(default_factory=dict)  # every member but the links: path → size in bytes
    nested_wheels: tuple[str, ...] = ()  # paths of wheels inside, which are artifacts of their own
    inside_wheel: bool = False  # itself such a wheel, packed as data into another wheel
    installed: tuple[InstalledWheel, ...] = ()  # of a site-packages folder
    notes: tuple[str, ...] = ()  # what a reader should know of how it was read


# --- what a system provides -----------------------------------------------------------------------


class Target(Struct, frozen=True):
    """A promise to keep: this libc on this architecture, with these versions at most, and every later system."""

    name: str
    origin: str  # "wheel tag", "installed wheels", "option" or "default"
    arch: str
    libc: Libc
    ceilings: Mapping[str, str]  # namespace ("GLIBC", "GLIBCXX", …) → the newest version that is promised
    isa_level: int = 1  # x86-64-v1 … v4 that every processor of the system has


# --- the report, JSON schema 1: names are final, additions are fine -------------------------------


class Frame(Struct, frozen=True):
    """One level of calls at a site, as the debug information tells; None where it does not."""

    function: str | None = None  # demangled
    file: str | None = None
    line: int | None = None


class Site(Struct, frozen=True):
    """A place in the code that brings a requirement; None where unknown.

    Of several inlined levels, function, file and line are those of the innermost one whose file is in the repository,
    else of the innermost one that is no system header and not of the Rust library, else of the innermost one.
    """

    function: str | None = None
    file: str | None = None  # relative to the root of the repository where ``in_repository``, else as recorded
    line: int | None = None
    package: str | None = None  # the Rust crate, or the outermost C++ namespace, of the function
    in_repository: bool = False
    frames: tuple[Frame, ...] = ()  # all levels, innermost first, where there are more than one
    through: str | None = None  # the Rust crate whose code, inlined there, is what asks


class Finding(Struct, frozen=True):
    """One thing that is wrong; ``object`` is None where it concerns the artifact as a whole."""

    rule: str
    severity: Severity
    object: str | None
    message: str
    symbol: str | None = None
    version: str | None = None
    library: str | None = None
    binding: Binding | None = None
    target: str | None = None
    sites: tuple[Site, ...] = ()
    hint: str | None = None
    remedy: str | None = (
        None  # the part of ``hint`` behind its reason and ": " that many findings share: where to build
    )
    uses: int = 0  # places that use the symbol, of which ``sites`` names some; 0 where none is known


class IgnoredFinding(Struct, frozen=True):
    """A finding that the configuration sets aside, with its reason."""

    finding: Finding
    reason: str
    until: str | None = None  # ISO date, inclusive


class RunsOn(Struct, frozen=True):
    """Whether the version needs of the artifact are met by a distribution (``targets/distros.py`` knows which)."""

    distro: str
    arch: str
    loads: bool


class ObjectSummary(Struct, frozen=True):
    """One ELF object in the report."""

    path: str
    arch: str
    kind: ObjectKind
    size: int
    soname: str | None
    needed: tuple[str, ...]
    floor: Mapping[str, str]
    imports: tuple[
        str, ...
    ]  # sorted, what the system must provide: "pow@GLIBC_2.29"; "statx" without a version where it
    # came late to glibc; "@GLIBC_ABI_DT_RELR" where no symbol refers to the version


# --- what changed since a baseline ------------------------------------------------------------------


class FloorChange(Struct, frozen=True):
    """The highest version of a namespace that the system must provide, before and after; None where none."""

    namespace: str
    before: str | None
    after: str | None


class ObjectEntry(Struct, frozen=True):
    """An object that only one side has."""

    path: str
    kind: ObjectKind
    size: int


class ObjectChange(Struct, frozen=True):
    """An object that both sides have, and what differs; libraries are those that the artifact does not carry."""

    path: str
    path_before: str
    moved: bool  # to another folder; a path may differ by a version or by auditwheel's hash alone
    size_before: int
    size_after: int
    floor: tuple[FloorChange, ...]
    libraries_added: tuple[str, ...]
    libraries_gone: tuple[str, ...]
    imports_added: tuple[str, ...]
    imports_gone: tuple[str, ...]


class Changes(Struct, frozen=True):
    """What changed in an artifact since its baseline; of the floor and the objects only what differs is listed."""

    baseline: str  # the path that it was read from, or "pypi:FILE.whl"
    version_before: str | None  # of a wheel
    version_after: str | None
    size_before: int | None  # bytes; None for a folder
    size_after: int | None
    tags_before: tuple[str, ...]  # of a wheel's file name, expanded
    tags_after: tuple[str, ...]
    floor: tuple[FloorChange, ...]
    libraries_added: tuple[str, ...]  # needed now by some object, by none before; not carried by the artifact
    libraries_gone: tuple[str, ...]
    imports_added: tuple[str, ...]  # asked for by some object now, by none before
    imports_gone: tuple[str, ...]
    objects_added: tuple[ObjectEntry, ...]
    objects_gone: tuple[ObjectEntry, ...]
    objects: tuple[ObjectChange, ...]
    distros_lost: tuple[RunsOn, ...]
    distros_gained: tuple[RunsOn, ...]
    downloads_lost_before: float | None
    downloads_lost_after: float | None
    verdict_before: Verdict | None = None  # where the baseline is a report, and so was judged


class ArtifactReport(Struct, frozen=True):
    """The judgement of one artifact."""

    path: str
    kind: ArtifactKind
    size: int | None
    sha256: str | None
    verdict: Verdict
    targets: tuple[Target, ...]
    floor: Mapping[str, str]  # namespace → highest version that the system must provide
    runs_on: tuple[RunsOn, ...]
    downloads_lost: float | None  # share of x86_64 downloads (0…1) below the GLIBC floor; None where not known
    coverage: Coverage
    objects: tuple[ObjectSummary, ...]
    findings: tuple[Finding, ...]
    ignored: tuple[IgnoredFinding, ...] = ()
    notes: tuple[str, ...] = ()  # what a reader should know of how this was judged ("pure Python: …")
    changes: Changes | None = None  # since the baseline; None where nothing was compared


class Tool(Struct, frozen=True):
    """The program that wrote a report."""

    name: str
    version: str


class Shard(Struct, frozen=True):
    """Which part of the paths a report is about: of the sorted ones every ``count``-th, from the ``index``-th on."""

    index: int  # 1 … count
    count: int
    paths_sha256: str | None = None  # of all paths, sorted, each with a line feed: shards of one check have the same
    artifacts: int | None = None  # how many of them this part makes: a path may hold wheels, and make several
    artifacts_sha256: str | None = None  # of each one's path, a NUL, its SHA-256 or nothing, and a line feed


class Report(Struct, frozen=True):
    """Schema 1. The verdict is the worst of the artifacts' verdicts: unreadable, then fail, then pass."""

    tool: Tool
    verdict: Verdict
    artifacts: tuple[ArtifactReport, ...]
    schema_version: Literal[1] = SCHEMA_VERSION
    notes: tuple[str, ...] = field(default=())  # expired or unused ignores and the like
    shard: Shard | None = None  # None: all that was asked for
