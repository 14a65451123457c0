"""Reads one ELF object as the dynamic loader does: ELF header, program headers, dynamic segment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from glibc_guard.elf import properties
from glibc_guard.elf.consistency import inconsistencies
from glibc_guard.elf.dynamic import Dynamic, read_dynamic
from glibc_guard.elf.image import Bytes, ElfError, Image, ProgramHeader, decode
from glibc_guard.elf.layout import ELFCLASS32, ELFCLASS64, ELFDATA2LSB, ELFDATA2MSB, LAYOUTS, Layout
from glibc_guard.elf.symbols import read_symbols
from glibc_guard.elf.versions import read_definitions, read_needs
from glibc_guard.model import ElfObject, ObjectKind

# Names and numbers of the gABI and the processor supplements (elf/elf.h of glibc).
ET_REL, ET_EXEC, ET_DYN, ET_CORE = 1, 2, 3, 4
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NEEDED, DT_SONAME, DT_RPATH, DT_RUNPATH = 1, 14, 15, 29
DT_FLAGS, DT_RELR, DT_FLAGS_1 = 30, 36, 0x6FFFFFFB
DF_STATIC_TLS, DF_1_PIE = 0x10, 0x08000000
ELFOSABI_NONE, ELFOSABI_GNU = 0, 3
MAX_PROGRAM_HEADERS: Final = 4096

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


@dataclass(frozen=True, slots=True)
class Header:
    """What the ELF header tells."""

    layout: Layout
    type: int
    machine: int
    architecture: str
    os_abi: int
    segments: tuple[ProgramHeader, ...]
    section_table: tuple[int, int, int]  # e_shoff, e_shentsize, e_shnum


def read_object(path: str, size: int, data: Bytes) -> ElfObject:
    """Read the object at ``path``, a file of ``size`` bytes.

    Raises:
        ElfError: the loader could not map it or follow its tables, or the architecture is unknown to this project.
    """
    header = _read_header(data)
    kind = _kind_without_dynamic(header)
    if kind is not None:
        return ElfObject(path, size, header.architecture, kind)
    if header.architecture.startswith("EM_"):
        return ElfObject(path, size, header.architecture, "shared")
    loads = tuple(segment for segment in header.segments if segment.type == PT_LOAD)
    image = Image(data, loads)
    interpreter = _interpreter(data, header.segments)
    facts = ElfObject(path, size, header.architecture, "static", interpreter=interpreter, **_properties(image, header))
    tables = [segment for segment in header.segments if segment.type == PT_DYNAMIC]
    if not tables:
        return facts
    address = tables[-1].vaddr  # of several the loader takes the last
    dynamic = read_dynamic(image, address, header.layout)
    told = inconsistencies(data, image, dynamic, header.layout, address, header.section_table)
    return replace(_with_dynamic(facts, header, image, dynamic), inconsistencies=told)


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
    needed = tuple(dynamic.string(image, offset) for offset in dynamic.every(DT_NEEDED))
    undefined, defined = read_symbols(image, dynamic, header.layout, needs, definitions, of_library=soname is not None)
    return replace(
        facts,
        kind=_dynamic_kind(header, dynamic, facts.interpreter, soname, needed),
        soname=soname,
        needed=needed,
        rpath=_one_string(image, dynamic, DT_RPATH),
        runpath=_one_string(image, dynamic, DT_RUNPATH),
        version_needs=needs,
        version_definitions=definitions,
        undefined=undefined,
        defined=defined,
        relative_relocations=dynamic.get(DT_RELR) is not None,
        static_tls=bool((dynamic.get(DT_FLAGS) or 0) & DF_STATIC_TLS),
    )


def _read_header(data: Bytes) -> Header:
    ident = data.read(0, 16)
    layout = LAYOUTS.get((ident[4], ident[5])) if len(ident) == 16 else None
    if layout is None:
        raise ElfError("damaged ELF header: neither 32 nor 64 bits, or no byte order")
    raw = data.read(16, layout.header.size)
    if len(raw) < layout.header.size:
        raise ElfError("truncated ELF header")
    kind, machine, _, _, offset, sections, _, _, entry_size, count, *section_sizes = layout.header.unpack(raw)
    architecture = ARCHITECTURES.get((machine, ident[4], ident[5])) or _other_architecture(machine, layout)
    segments: tuple[ProgramHeader, ...] = ()
    if kind in {ET_EXEC, ET_DYN} and count:
        if entry_size != layout.program_header.size or count > MAX_PROGRAM_HEADERS:
            raise ElfError("damaged ELF header: the loader refuses program headers of this size or number")
        segments = _read_program_headers(data, layout, offset, count)
    return Header(
        layout, kind, machine, architecture, ident[7], segments, (sections, section_sizes[0], section_sizes[1])
    )


def _read_program_headers(data: Bytes, layout: Layout, offset: int, count: int) -> tuple[ProgramHeader, ...]:
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


def _kind_without_dynamic(header: Header) -> ObjectKind | None:
    if header.machine in DEVICE_MACHINES or header.os_abi not in {ELFOSABI_NONE, ELFOSABI_GNU}:
        return "device"
    if header.type == ET_REL:
        return "relocatable"
    if header.type == ET_CORE:
        return "core"
    if header.type not in {ET_EXEC, ET_DYN}:
        raise ElfError(f"unknown ELF type {header.type}: the loader maps only ET_EXEC and ET_DYN")
    dynamic = [segment for segment in header.segments if segment.type == PT_DYNAMIC]
    if dynamic and not dynamic[-1].filesz:  # objcopy --only-keep-debug keeps the headers and drops the content
        return "debug"
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
    if (dynamic.get(DT_FLAGS_1) or 0) & DF_1_PIE:
        return "executable" if needed else "static"
    return "shared"
