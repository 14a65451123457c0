"""A real wheel in which every name that an artifact can choose is an attack on whatever shows it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

from building import compile_with_gcc, library, make_wheel

#: What is attacked → a name; ``{}`` becomes the position that the name stands in. Each says that it is "forged".
ATTACKS: Final = {
    "workflow command": "\n::error file=pyproject.toml,line=9::forged {}",
    "old workflow command": "forged {} ##[error]forged",
    "output by a command": "##[set-output name=verdict;]pass forged {}",
    "environment by a command": "x\r::set-env name=PATH::/forged {}",
    "command that stops commands": "::stop-commands::forged {}",
    "carriage return": "ok\r::warning::forged {}",
    "line separator": "\u2028::error::forged {}",
    "zero width": "#\u200b#[error]forged {}",
    "ANSI escapes": "\x1b[2J\x1b[31mforged {}\x1b[0m",
    "terminal link": "\x1b]8;;https://evil.invalid\x07forged {}\x1b]8;;\x07",
    "C1 control": "\x9b2Jforged {}",
    "right to left": "\u202eforged {}\u2066\u2069",
    "Markdown": "](https://evil.invalid) **forged {}** ![x](https://evil.invalid/x.png) ~~x~~ > # - 1.",
    "code span": "``` forged {} `` ` <b>x</b>",
    "table": "a | b |\n|---|\n| forged {}",
    "HTML": "<img src=//evil.invalid onerror=x><script>forged {}</script></details></table>",
    "comment": "<!-- glibc-guard 0123456789abcdef run=9.9 verdict=pass --> forged {} <!--",
    "mention": "@octocat @org/team forged {} #1 org/repo#1 GH-1",
    "mention behind a letter of another script": "é@octocat 日@octocat forged {} éGH-1 日#1",
    "mail address": "forged{}@evil.invalid help@evil.invalid",
    "commit": "a5c3785ed8d6a35868bc169f07e40e889087fd2e org/repo@a5c3785ed8 forged {} a5c3785 A5C3785ED",
    "emoji": ":white_check_mark: forged {} :+1: ::tada::",
    "URL": "https://evil.invalid/{} www.evil.invalid forged",
    "expression": "${{{{ github.token }}}} {{0}} $HOME `id` forged {}",
    "formula": "=forged('{}')",
    "long": "forged {} " + "n" * 10_000,
}
POSITIONS: Final = ("symbol", "version", "needed", "soname", "runpath", "provided")
ROOM: Final = 10_100  # bytes of a placeholder
NOTE: Final = 180  # … in a compiler note, of which no more than this is read


def placeholder(position: str) -> str:
    """A name that a linker takes, in place of which another is put."""
    return f"at_{position}_".ljust(ROOM, "x")


def hostile_object(attack: str, needed_library: str | None = None) -> bytes:
    """A shared library all of whose names are the attack; the library that it needs may have another name."""
    names = {position: placeholder(position) for position in POSITIONS}
    shared = ("-shared", "-fPIC", "-nostdlib")
    lines = {
        "lib.so": f"void {names['symbol']}(void) {{}}",
        "user": f"void {names['symbol']}(void); void {names['provided']}(void) {{ {names['symbol']}(); }}",
    }
    script = f"{names['version']} {{ global: {names['symbol']}; }};".encode()
    needed = compile_with_gcc(
        lines["lib.so"],
        *shared,
        "-Wl,-soname," + (needed_library or names["needed"]),
        "-Wl,--version-script=map",
        beside={"map": script},
    )
    options = ("-Wl,-soname," + names["soname"], "-Wl,-rpath,/" + names["runpath"], "./lib.so")
    data = compile_with_gcc(lines["user"], *shared, *options, beside={"lib.so": needed})
    for position, name in names.items():
        chosen = attack.format(position).encode()[:ROOM]
        assert (name.encode() in data) == (position != "needed" or needed_library is None), position
        data = data.replace(name.encode(), chosen.ljust(ROOM, b"\0"))
        if position == "version":  # the loader compares the hash first
            data = data.replace(struct.pack("<I", _hash(name.encode())), struct.pack("<I", _hash(chosen)))
    return data


def hostile_program(attack: str) -> bytes:
    """A program whose interpreter and whose compiler are the attack."""
    names = {"interpreter": placeholder("interpreter"), "compiler": placeholder("compiler")[:NOTE]}
    source = f'__asm__(".ident \\"GCC: (Red Hat {names["compiler"]}\\""); int main(void) {{ return 0; }}'
    data = compile_with_gcc(source, "-Wl,-dynamic-linker,/" + names["interpreter"])
    for position, name in names.items():
        assert name.encode() in data, position
        data = data.replace(name.encode(), attack.format(position).encode()[: len(name)].ljust(len(name), b"\0"))
    return data


def hostile_wheel(folder: Path, attacks: dict[str, str] | None = None, *, version: str = "1.0") -> Path:
    """A wheel with an object, a member that is damaged and one in a folder, named so, for each of the attacks."""
    members: dict[str, bytes] = {"pkg/_core.so": library("reallocarray(0, 1, 2)", glibc="2.29")}
    for number, attack in enumerate((attacks or ATTACKS).values()):
        data = hostile_object(attack)
        members[f"pkg/m{number}.so"] = hostile_object(attack, "libc.so.6")
        members[f"pkg/p{number}"] = hostile_program(attack)
        members[f"pkg/{number}/{attack.format('member')}"] = data
        members[f"{attack.format('damaged')}.{number}.so"] = data[:300]
    return make_wheel(folder, members, tag="cp312-cp312-manylinux2014_x86_64", version=version)


def _hash(name: bytes) -> int:
    """The hash of the System V gABI."""
    value = 0
    for byte in name:
        value = (value << 4) + byte
        value = (value ^ ((value & 0xF0000000) >> 24)) & 0x0FFFFFFF
    return value
