"""Where an object uses a symbol, as a disassembler tells: the other opinion that call sites are held against."""

from __future__ import annotations

import re
import subprocess
from functools import lru_cache
from pathlib import Path

from provisions import needed


def slots(path: Path, symbol: str) -> set[int]:
    """Return the addresses of the slots of ``symbol``, by readelf; not those of data."""
    text = subprocess.run(["readelf", "-rW", path], check=True, capture_output=True, text=True).stdout
    found = re.finditer(
        rf"^([0-9a-f]+) +[0-9a-f]+ +R_\w*?(GLOB_DAT|JUMP_SLO\w*|COPY) +[0-9a-f]+ +{symbol}(?:@|\s)", text, re.MULTILINE
    )
    return {int(match[1], 16) for match in found}


def stub(path: Path, symbol: str) -> int | None:
    """Return the address of a function's canonical PLT entry, by readelf; None where it has none."""
    text = subprocess.run(["readelf", "-W", "--dyn-syms", path], check=True, capture_output=True, text=True).stdout
    found = re.search(rf": 0*([1-9a-f][0-9a-f]*) .* UND {symbol}@", text)
    return int(found[1], 16) if found else None


def uses(path: Path, symbol: str, arch: str = "x86_64") -> set[range]:
    """Return the addresses, from the first byte to the last, of all instructions outside of the PLT that use it."""
    packages = {"llvm-objdump": "llvm", "objdump": "binutils"}
    name = "llvm-objdump" if arch == "aarch64" else "objdump"
    tool = needed(name, f"apt-get install {packages[name]}")
    found: set[range] = set()
    wanted = slots(path, symbol)
    canonical = stub(path, symbol)
    in_plt, pages = False, dict[str, int]()
    offsets = global_offset_table(path) if arch == "i686" else None
    for line in _disassembled(tool, path, path.stat().st_mtime_ns):
        if line.startswith("Disassembly of section"):
            in_plt = ".plt" in line
        if re.match(r"^[0-9a-f]+ <", line):
            pages = {}
        instruction = re.match(r"\s*([0-9a-f]+):\s((?:[0-9a-f]{2,8} )+)\s*(\S.*)$", line)
        if in_plt or instruction is None:
            continue
        address, words = int(instruction[1], 16), instruction[3]
        named = re.search(rf"<{symbol}@plt>", words) or (canonical and re.search(rf"\$0x{canonical:x}\b", words))
        comment = re.search(r"# (?:0x)?([0-9a-f]+)", words)
        absolute = re.search(r"(?:ds:|\*|[\s,$])0x([0-9a-f]{5,})(?:,|$)", words)
        relative = _of_page(words, pages) if offsets is None else _of_table(line, offsets)
        if named or any(
            one in wanted for one in (comment and int(comment[1], 16), absolute and int(absolute[1], 16), relative)
        ):
            found.add(range(address, address + len(instruction[2].replace(" ", "")) // 2))
    return found


@lru_cache(maxsize=1)
def _disassembled(tool: str, path: Path, _: int) -> list[str]:
    wide = [] if "llvm" in tool else ["--insn-width=16"]
    return subprocess.run([tool, "-d", *wide, path], check=True, capture_output=True, text=True).stdout.splitlines()


def global_offset_table(path: Path) -> int:
    """Return the address that code of i686 keeps in a register, by readelf."""
    text = subprocess.run(["readelf", "-dW", path], check=True, capture_output=True, text=True).stdout
    found = re.search(r"\(PLTGOT\)\s+0x([0-9a-f]+)", text)
    if found is None:  # nothing has a PLT
        text = subprocess.run(["readelf", "-sW", path], check=True, capture_output=True, text=True).stdout
        found = re.search(r"([0-9a-f]+) .* _GLOBAL_OFFSET_TABLE_$", text, re.MULTILINE)
    assert found, text
    return int(found[1], 16)


def _of_table(line: str, table: int) -> int | None:
    """Return the address in the global offset table that an instruction of i686 names by its distance of 32 bits."""
    used = re.search(r"(-?)0x([0-9a-f]+)\(%e(?:ax|bx|cx|dx|si|di)\)", line)
    distance = int(used[1] + used[2], 16) if used else 0
    return table + distance if distance.to_bytes(4, "little", signed=True).hex(" ") in line else None


def _of_page(words: str, pages: dict[str, int]) -> int | None:
    """Return the address that an instruction of aarch64 adds up; ``pages`` are what ADRP put into registers."""
    adrp = re.match(r"adrp\s+(\w+), (?:#)?0x([0-9a-f]+)", words)
    if adrp:
        pages[adrp[1]] = int(adrp[2], 16)
        return None
    used = re.match(r"(?:ldr|add|str)\w*\s+(\w+), \[?(x\d+),? ?#?(0x[0-9a-f]+|\d+)?", words)
    if used and used[2] in pages:
        return pages[used[2]] + int(used[3] or "0", 0)
    return None
