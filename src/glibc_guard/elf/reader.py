"""Reads one ELF object as the dynamic loader does: ELF header, program headers, dynamic segment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from glibc_guard.elf import properties
from glibc_guard.elf.allowance import Allowance
from glibc_guard.elf.consistency import inconsistencies
from glibc_guard.elf.dynamic import Dynamic, read_dynamic
from glibc_guard.elf.errors import ElfError
from glibc_guard.elf.hearsay import keep_comments, with_hearsay
from glibc_guard.elf.image import PAGE_SIZE, Bytes, Image, ProgramHeader, decode, to_page_end
from glibc_guard.elf.layout import ELFCLASS32, ELFCLASS64, ELFDATA2LSB, ELFDATA2MSB, LAYOUTS, Layout
from glibc_guard.elf.payload import packed_by_upx, payload
from glibc_guard.elf.sections import Section, read_sections
from glibc_guard.elf.symbols import Symbols, read_symbols
from glibc_guard.elf.versions import read_definitions, read_needs
from glibc_guard.limits import Limits, beyond
from glibc_guard.model import ElfObject, ObjectKind

# Names and numbers of the gABI and the processor supplements (elf/elf.h of glibc).
ET_REL, ET_EXEC, ET_DYN, ET_CORE = 1, 2, 3, 4
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
PF_W: Final = 2
DT_NEEDED, DT_SONAME, DT_RPATH, DT_RUNPATH = 1, 14, 15, 29
DT_FLAGS, DT_RELR, DT_FLAGS_1, DT_FILTER = 30, 36, 0x6FFFFFFB, 0x7FFFFFFF
DF_STATIC_TLS, DF_1_PIE = 0x10, 0x08000000
ELFOSABI_NONE, ELFOSABI_GNU = 0, 3
MODULE_FUNCTIONS: Final = ("PyInit_", "PyInitU_")  # what an import calls in a module of CPython (PEP 489)
NEWEST_ABI: Final = 4  # LIBC_ABI_MAX - 1 of glibc's libc-abis

#: (e_machine, class, byte order) → the name that platform tags use.
ARCHITECTURES: Final = {
    (62, ELFCLASS64, ELFDATA2LSB): "x86_64",
    (3, ELFCLASS32, ELFDATA2LSB): "i686",
    (183, ELFCLASS64, ELFDATA2LSB): "aarch64",
    (40, ELFCLASS32, ELFDATA2LSB): "armv7l",
    (21, ELFCLASS64, ELFDATA2LSB): "ppc64le",
    (22, ELFCLASS64, ELFDATA2MSB): "s390x",
    (243, ELFCLASS64, ELFDATA2LSB): "riscv64",
    (258, ELFCLASS64, ELFDATA2LSB): "loongarch64",
}
#: Processors that no Linux loader runs on: EM_QDSP6, EM_CUDA, EM_INTELGT, EM_AMDGPU, EM_BPF, EM_AVR, EM_XTENSA, …
DEVICE_MACHINES: Final = frozenset({83, 94, 105, 164, 190, 205, 224, 247})
APPIMAGE: Final = b"AI"  # in e_ident, where the kernel does not look (AppImage specification, "Image format")


class Header(Struct, frozen=True):
    """What the ELF header tells."""

    layout: Layout
    type: int
    machine: int
    architecture: str
    os_abi: int
    segments: tuple[ProgramHeader, ...]
    section_table: tuple[int, int, int, int]  # e_shoff, e_shentsize, e_shnum, e_shstrndx


def read_object(path: str, size: int, data: Bytes, allowance: Allowance | None = None) -> ElfObject:
    """Read the object at ``path``, a file of ``size`` bytes; ``allowance`` is that of its artifact.

    Raises:
        ElfError: the loader could not map it or follow its tables, or the architecture is unknown to this project.
    """
    allowance = allowance or Allowance()
    header = read_header(data, allowance.limits)
    kind = _kind_without_dynamic(data, header)
    if kind is not None:
        return ElfObject(path, size, header.architecture, kind)
    if header.architecture.startswith("EM_"):
        return ElfObject(path, size, header.architecture, "shared")
    loads = tuple(segment for segment in header.segments if segment.type == PT_LOAD)
    check_segments(loads, size)
    keep_comments(data, loads)
    image = Image(data, loads, allowance)
    facts = ElfObject(
        path,
        size,
        header.architecture,
        "static",
        interpreter=_interpreter(data, header.segments),
        **_properties(image, header),
    )
    tables = [segment for segment in header.segments if segment.type == PT_DYNAMIC]
    if not tables:
        if header.type == ET_DYN:
            raise ElfError("it has no dynamic segment: no loader maps such a shared object")
        return _with_sections(facts, header, data)
    if len(tables) > 1:
        raise ElfError("it has several dynamic segments: which of them a loader takes depends on its release")
    address = tables[0].vaddr
    if not tables[0].filesz and not image.mapped_after(address):
        return replace(facts, kind="debug")  # objcopy --only-keep-debug keeps the headers and drops the content
    _refuse_fill(loads)
    dynamic = read_dynamic(image, address, header.layout)
    read = _with_dynamic(facts, header, image, dynamic)
    sections = read_sections(data, header.layout, header.section_table)
    told = inconsistencies(image, dynamic, header.layout, address, sections)
    read = replace(read, inconsistencies=told, payload=_payload(data, size, header, sections))
    return with_hearsay(read, data, sections, header.layout)


def _with_sections(facts: ElfObject, header: Header, data: Bytes) -> ElfObject:
    """Add what the sections of a static program tell, where that costs no second pass, and what it carries."""
    offset, size, count, _ = header.section_table
    at_hand = data.at_hand(offset, size * count)
    sections = read_sections(data, header.layout, header.section_table) if at_hand else ()
    carried = _payload(data, facts.size, header, sections) or packed_by_upx(data, _headers_end(header))
    facts = replace(facts, payload=carried)
    return with_hearsay(facts, data, sections, header.layout)


def _headers_end(header: Header) -> int:
    """Return where the program headers end, right behind the ELF header as every linker puts them."""
    return 16 + header.layout.header.size + len(header.segments) * header.layout.program_header.size


def _payload(data: Bytes, size: int, header: Header, sections: Sequence[Section]) -> str | None:
    offset, entry_size, count, _ = header.section_table
    return payload(data, size, header.segments, offset + entry_size * count, sections)


def check_segments(loads: tuple[ProgramHeader, ...], size: int) -> None:
    """Raise ElfError for segments beyond the file, and for those over each other: what the loader sees were a guess.

    Two that map the same page of the file to the same place are harmless, and patchelf leaves such.
    """
    if not loads:
        raise ElfError("it has no loadable segment")
    ordered = sorted(loads, key=lambda segment: segment.vaddr)
    for segment in ordered:
        if segment.filesz and segment.offset + segment.filesz > size:
            raise ElfError(f"truncated: a segment reaches to byte {segment.offset + segment.filesz} of {size}")
    mapped_until = 0
    for before, segment in zip((None, *ordered), ordered, strict=False):
        if segment.vaddr // PAGE_SIZE * PAGE_SIZE < mapped_until and not _continues(before, segment):
            raise ElfError("two segments share a page of memory: the later one hides what tools read of the other")
        mapped_until = to_page_end(segment.vaddr + max(segment.filesz, segment.memsz))


def _refuse_fill(loads: Sequence[ProgramHeader]) -> None:
    """Raise ElfError for a segment whose last page not all fill with zeros behind what the file has.

    The loader does, and the kernel, which maps programs, does not where it must not write (``padzero`` of
    fs/binfmt_elf.c).
    """
    if any(segment.memsz > segment.filesz and not segment.flags & PF_W for segment in loads):
        raise ElfError("a segment that is not writable is larger in memory than in the file: what lies there is unsure")


def _continues(before: ProgramHeader | None, segment: ProgramHeader) -> bool:
    """Tell whether ``segment`` goes on where ``before`` ends, in memory as in the file."""
    return (
        before is not None
        and before.memsz <= before.filesz
        and segment.vaddr >= before.vaddr + before.filesz
        and segment.offset - segment.vaddr == before.offset - before.vaddr
    )


def _properties(image: Image, header: Header) -> dict[str, Any]:
    order, bits = header.layout.order, header.layout.bits
    return {
        "executable_stack": properties.executable_stack(header.segments, header.architecture),
        "isa_level": properties.isa_level(image, header.segments, order, bits)
        if header.architecture == "x86_64"
        else 0,
        "page_size": properties.page_size(header.segments),
        "segment_alignment": properties.segment_alignment(header.segments),
        "glibc_start_files": properties.has_glibc_start_files(image, header.segments, order),
    }


def _with_dynamic(facts: ElfObject, header: Header, image: Image, dynamic: Dynamic) -> ElfObject:
    needs = read_needs(image, dynamic, header.layout.order)
    definitions = read_definitions(image, dynamic, header.layout.order)
    soname = _one_string(image, dynamic, DT_SONAME)
    # A filter (DT_FILTER) loads the library that it stands for like a needed one (elf/dl-deps.c).
    offsets = (*dynamic.every(DT_NEEDED), *dynamic.every(DT_FILTER))
    needed = tuple(dynamic.string(image, offset) for offset in offsets)
    kind = _dynamic_kind(header, dynamic, facts.interpreter, soname, needed)
    unsure = kind == "executable" and _may_be_module(facts.path, header, dynamic)
    symbols = read_symbols(image, dynamic, header.layout, needs, definitions, of_library=kind == "shared" or unsure)
    if unsure and any(name.startswith(MODULE_FUNCTIONS) for name in symbols.defined):
        kind = "shared"
    elif unsure:
        symbols = Symbols(symbols.undefined)
    return replace(
        facts,
        kind=kind,
        soname=soname,
        needed=needed,
        rpath=_one_string(image, dynamic, DT_RPATH),
        runpath=_one_string(image, dynamic, DT_RUNPATH),
        version_needs=needs,
        version_definitions=definitions,
        undefined=symbols.undefined,
        defined=symbols.defined,
        lookup=symbols.lookup,
        unique=symbols.unique,
        unversioned=symbols.unversioned,
        by_version=symbols.by_version,
        relative_relocations=dynamic.get(DT_RELR) is not None,
        static_tls=bool((dynamic.get(DT_FLAGS) or 0) & DF_STATIC_TLS),
        pie=_is_pie(header, dynamic),
    )


def read_header(data: Bytes, limits: Limits | None = None) -> Header:
    """Read the ELF header and the program headers; raises ElfError."""
    ident = data.read(0, 16)
    layout = LAYOUTS.get((ident[4], ident[5])) if len(ident) == 16 else None
    if layout is None:
        raise ElfError("damaged ELF header: neither 32 nor 64 bits, or no byte order")
    raw = data.read(16, layout.header.size)
    if len(raw) < layout.header.size:
        raise ElfError("truncated ELF header")
    if ident[8:10] == APPIMAGE:
        raise ElfError("an AppImage: unpack it by --appimage-extract, and check the folder squashfs-root")
    if ident[6] != 1 or any(ident[9:]):
        raise ElfError("damaged ELF header: the loader refuses its version or padding")
    kind, machine, version, _, offset, sections, _, _, entry_size, count, *section_sizes = layout.header.unpack(raw)
    if version != 1 or (ident[8] and (ident[7] != ELFOSABI_GNU or ident[8] > NEWEST_ABI)):
        raise ElfError("damaged ELF header: the loader refuses its version, or the version of its ABI")
    architecture = ARCHITECTURES.get((machine, ident[4], ident[5])) or _other_architecture(machine, layout)
    segments: tuple[ProgramHeader, ...] = ()
    if kind in {ET_EXEC, ET_DYN} and count:
        if entry_size != layout.program_header.size:
            raise ElfError("damaged ELF header: the loader refuses program headers of this size")
        limit = (limits or Limits()).program_headers
        if count > limit:
            raise ElfError(beyond(f"{count} program headers", "program_headers", limit))
        segments = read_program_headers(data, layout, offset, count)
    return Header(layout, kind, machine, architecture, ident[7], segments, (sections, *section_sizes))


def read_program_headers(data: Bytes, layout: Layout, offset: int, count: int) -> tuple[ProgramHeader, ...]:
    """Return ``count`` program headers from ``offset`` on; raises ElfError where the file ends before."""
    raw = data.read(offset, count * layout.program_header.size)
    if len(raw) < count * layout.program_header.size:
        raise ElfError("truncated: the program headers reach beyond the end of the file")
    headers = []
    for fields in layout.program_header.iter_unpack(raw):
        if layout.bits == 64:
            kind, flags, file_offset, vaddr, _, filesz, memsz, align = fields
        else:
            kind, file_offset, vaddr, _, filesz, memsz, flags, align = fields
        headers.append(ProgramHeader(kind, flags, file_offset, vaddr, filesz, memsz, align))
    return tuple(headers)


def _other_architecture(machine: int, layout: Layout) -> str:
    """Name a machine that is not judged, as the gABI does ("EM_MIPS")."""
    from elftools.elf.enums import ENUM_E_MACHINE  # noqa: PLC0415  # lazy, since it costs 30 ms and is rarely wanted

    names = {number: name for name, number in ENUM_E_MACHINE.items() if name != "_default_"}
    order = "little" if layout.order == "<" else "big"
    return f"{names.get(machine, f'EM_{machine}')} ({layout.bits} bit, {order} endian)"


def _kind_without_dynamic(data: Bytes, header: Header) -> ObjectKind | None:
    """Tell the kind of an object that no loader of Linux maps; None for all others."""
    if header.machine in DEVICE_MACHINES:
        return "device"
    if header.type == ET_REL:
        return "relocatable"
    if header.type == ET_CORE:
        return "core"
    if header.type not in {ET_EXEC, ET_DYN}:
        raise ElfError(f"unknown ELF type {header.type}: the loader maps only ET_EXEC and ET_DYN")
    foreign = header.os_abi not in {ELFOSABI_NONE, ELFOSABI_GNU}
    # The kernel does not look at EI_OSABI of a program; the loader refuses a library of another system.
    if foreign and "/ld" not in (_interpreter(data, header.segments) or "").replace("/libexec/", "/"):
        return "device"
    return None


def _interpreter(data: Bytes, segments: tuple[ProgramHeader, ...]) -> str | None:
    for segment in segments:  # the kernel takes the first one (fs/binfmt_elf.c)
        if segment.type == PT_INTERP:
            return decode(data.read(segment.offset, min(segment.filesz, 4096)).split(b"\0")[0])
    return None


def _one_string(image: Image, dynamic: Dynamic, tag: int) -> str | None:
    offset = dynamic.get(tag)
    return None if offset is None else dynamic.string(image, offset)


def _dynamic_kind(
    header: Header, dynamic: Dynamic, interpreter: str | None, soname: str | None, needed: tuple[str, ...]
) -> ObjectKind:
    if interpreter is not None and soname is None:
        return "executable"
    if header.type == ET_EXEC:
        return "executable" if needed else "static"
    if _is_pie(header, dynamic):
        return "executable" if needed else "static"
    return "shared"


def _may_be_module(path: str, header: Header, dynamic: Dynamic) -> bool:
    """Tell whether what has PT_INTERP and no name of its own may still be an extension module, by its file's name.

    Modules that are runnable as well have an interpreter, and modules rarely a DT_SONAME. Programs of before binutils
    2.26 lack DF_1_PIE: they look the same, but for the function that an import calls.
    """
    return header.type == ET_DYN and not _is_pie(header, dynamic) and path.endswith(".so")


def _is_pie(header: Header, dynamic: Dynamic) -> bool:
    return header.type == ET_DYN and bool((dynamic.get(DT_FLAGS_1) or 0) & DF_1_PIE)
