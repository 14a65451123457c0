"""The objects of real wheels, unpacked as pip does, against the real loader: with the libraries that they carry."""

from __future__ import annotations

import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from bench.fetch_wheels import listed
from glibc_guard.artifacts import Limits
from glibc_guard.reading import Reader
from glibc_guard.rules.linkage import Linkage
from loader.agreement import Agreement, compare
from loader.judge import ask_loader
from loader.stub_glibc import stub_glibc
from provisions import fetched

pytestmark = pytest.mark.loader

ALL: Final = bool(os.environ.get("GLIBC_GUARD_ALL_OBJECTS"))
RELEASES: Final = ("2.17", "2.24", "2.28", "2.31", "2.33") if ALL else ("2.17",)
FEW: Final = ("numpy-2", "ruff")
MANY: Final = (*FEW, "ray", "pyarrow", "cryptography-5", "scipy", "psycopg2", "lxml", "numpy-1.16")


@pytest.mark.parametrize("name", MANY if ALL else FEW)
def test_objects_of_a_wheel(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = next(one for one in listed() if one.file.startswith(name) and one.file.endswith("x86_64.whl"))
    path = fetched(wheel)
    with ThreadPoolExecutor(2) as pool:
        (artifact,) = Reader(Limits(), pool).read(str(path))
    with zipfile.ZipFile(path) as archive:
        for item in artifact.objects:
            archive.extract(item.path, tmp_path)
    linkage = Linkage.of(artifact, "x86_64")
    for release in RELEASES:
        agreement = Agreement()
        glibc = stub_glibc(release)
        for item in artifact.objects:
            verdict = ask_loader(tmp_path / item.path, glibc)
            compare(item, glibc, verdict, agreement, stubs=True, artifact=artifact)
            carried = {library for library in item.needed if linkage.carried(library) is not None}
            out_of_reach = {library for library in carried if not linkage.reaches(item, library)}
            # Loaded by itself, an object inherits no RPATH of those that need it.
            alone = {library for library in carried if not linkage.on_search_path(item, library)}
            assert out_of_reach <= verdict.missing_libraries & carried <= alone
        with capsys.disabled():
            print(f"\n  {name} on glibc {release}: {agreement}")  # noqa: T201  # the record that this test exists for
        assert agreement.unexplained == []
