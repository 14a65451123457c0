"""What refers to a symbol, where there are very many; `test_call_sites.py` has the rest."""

import subprocess
from pathlib import Path

from glibc_guard.explain.object_file import LoadedObject, ObjectFile
from glibc_guard.explain.references import Wanted, references
from measured import costs_less_than
from unit.explain.using import compiler

SYMBOLS = 20_000


def test_many_symbols_of_which_many_are_asked_about(tmp_path: Path) -> None:
    lines = [".data", *(f".quad f{number}" for number in range(SYMBOLS))]
    (tmp_path / "many.s").write_text("\n".join([*lines, ""]))
    command = [*compiler("gcc"), "-shared", "-nostdlib", "-o", "many.so", "many.s"]
    subprocess.run(command, check=True, cwd=tmp_path)
    wanted = frozenset(Wanted(f"f{number}", None) for number in range(0, SYMBOLS, 4))
    with ObjectFile((tmp_path / "many.so").read_bytes()) as file, costs_less_than(5):
        found = references(LoadedObject.of(file), wanted)
    assert set(found) == wanted
    assert all(len(entry.data) == 1 for entry in found.values())
