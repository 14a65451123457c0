from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec.structs import replace

from building import library, make_wheel
from glibc_guard.artifacts import Limits
from glibc_guard.model import Artifact
from glibc_guard.reading import Reader


def artifacts(path: Path, *, hashed: bool = True) -> list[Artifact]:
    with ThreadPoolExecutor(1) as pool:
        return Reader(Limits(), pool, hashed=hashed).read(str(path))


def tar_of(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return buffer.getvalue()


def test_every_member_of_a_wheel(tmp_path: Path) -> None:
    (found,) = artifacts(make_wheel(tmp_path, {"a/m.py": b"x = 1", "a/empty": b""}))
    assert {path: size for path, size in found.files.items() if "dist-info" not in path} == {"a/m.py": 5, "a/empty": 0}
    assert len(found.files) == found.members == 5


def test_the_hash_of_the_file_where_it_is_wanted(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"a/m.so": library("pow(x, x)")})
    (found,), (unhashed,) = artifacts(wheel), artifacts(wheel, hashed=False)
    assert found.sha256 == hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert unhashed == replace(found, sha256=None)
    assert found.objects


def test_a_folder_and_its_links(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib/data").write_bytes(b"123")
    (folder / "lib64").symlink_to("lib")
    (folder / "lib/data.1").symlink_to("data")
    (found,) = artifacts(folder)
    assert found.files == {"lib/data": 3}
    assert set(found.links) == {("lib64", "lib"), ("lib/data.1", "lib/data")}


def test_a_tar_and_the_archives_inside(tmp_path: Path) -> None:
    inner = tar_of({"x": b"12"})
    path = tmp_path / "a.tar.gz"
    path.write_bytes(tar_of({"inner.tar.gz": inner, "y": b"1"}, {"z": "y"}))
    (found,) = artifacts(path)
    assert found.files == {"inner.tar.gz": len(inner), "inner.tar.gz/x": 2, "y": 1}
    assert found.links == (("z", "y"),)
    assert found.members == 2


def test_nested_wheels_have_their_own(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"m.py": b"x"}, tag="py3-none-any")
    path = tmp_path / "dist.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(wheel, wheel.name)
        archive.writestr("README", "hello")
    outer, inner = artifacts(path)
    assert outer.files == {wheel.name: wheel.stat().st_size, "README": 5}
    assert set(inner.files) == {"m.py", *(f"sample-1.0.dist-info/{name}" for name in ("WHEEL", "METADATA", "RECORD"))}
