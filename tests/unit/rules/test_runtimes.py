"""Two runtimes of one kind in one process: where it is said, how bad it is, and what is named."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace

from building import compile_with_zig, make_wheel
from glibc_guard.artifacts import Limits
from glibc_guard.guard import check
from glibc_guard.model import Artifact, Finding
from glibc_guard.reading import Reader
from glibc_guard.rules.runtimes import conflicting_runtimes
from glibc_guard.settings import Settings
from glibc_guard.targets.tables import runtimes
from measured import costs_less_than

ARCHITECTURES: Final = ("x86_64", "aarch64", "i686", "s390x")
GOMP: Final = ("GOMP_parallel", "GOMP_barrier", "omp_get_num_threads")
KMP: Final = ("__kmpc_fork_call", *GOMP)
BLAS: Final = ("dgemm_", "dgemv_", "daxpy_", "cblas_dgemm")
OPENBLAS: Final = (*BLAS, "openblas_get_config", "gotoblas")
STREAMS: Final = ("_ZSt4cout", "_ZNSt6locale7classicEv", "_ZNSt8ios_base4InitC1Ev")


def exporting(
    *names: str, soname: str | None = None, arch: str = "x86_64", needed: Mapping[str, bytes] | None = None
) -> bytes:
    """Return a shared library that defines ``names``, and needs the libraries ``needed`` beside or below it."""
    source = "\n".join(f"void {name}(void) {{}}" for name in (*names, "module_of_its_own"))
    flags = ["-shared", "-fPIC", "-nostdlib", "-Wl,--no-as-needed", *(f"./{name}" for name in needed or ())]
    flags += [f"-Wl,-soname,{soname}"] if soname else []
    return compile_with_zig(source, *flags, "-Wl,-rpath,$ORIGIN:$ORIGIN/../lib", arch=arch, beside=needed)


def asking(*names: str, arch: str = "x86_64") -> bytes:
    """Return a module that asks for ``names`` and exports none of them."""
    declared = "".join(f"extern void {name}(void) __attribute__((weak)); " for name in names)
    used = ", ".join(names)
    source = f"{declared} void (*table[])(void) = {{ {used} }};"
    return compile_with_zig(source, "-shared", "-fPIC", "-nostdlib", "-Wl,--allow-shlib-undefined", arch=arch)


def wheel(folder: Path, name: str, files: Mapping[str, bytes], arch: str = "x86_64", family: str = "manylinux") -> str:
    release = {"manylinux": "2_39", "musllinux": "1_2"}[family]
    return str(make_wheel(folder, files, name=name, tag=f"cp312-cp312-{family}_{release}_{arch}"))


def conflicts(*paths: str, together: bool = False) -> list[Finding]:
    report = check(paths, Settings(together=together, allow_empty=True))
    found = [finding for artifact in report.artifacts for finding in artifact.findings]
    return [finding for finding in found if finding.rule.startswith("conflicting-")]


def read(folder: Path, files: Mapping[str, bytes]) -> Artifact:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    with ThreadPoolExecutor(1) as pool:
        (artifact,) = Reader(Limits(), pool).read(str(folder))
    return artifact


def judgements(found: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(finding.rule, finding.severity) for finding in found]


def two_packages(
    folder: Path, one: bytes, other: bytes, arch: str = "x86_64", family: str = "manylinux"
) -> list[Finding]:
    paths = [
        wheel(folder, name, {f"{name}/_core.so": data}, arch, family) for name, data in (("one", one), ("other", other))
    ]
    return conflicts(*paths, together=True)


# --- OpenMP -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_libgomp_and_libomp_in_one_wheel(arch: str, tmp_path: Path) -> None:
    files = {
        "torch.libs/libgomp-a34b3233.so.1.0.0": exporting(*GOMP, soname="libgomp-a34b3233.so.1.0.0", arch=arch),
        "torch.libs/libomp-1a2b3c4d.so": exporting(*KMP, soname="libomp-1a2b3c4d.so", arch=arch),
    }
    (finding,) = conflicts(wheel(tmp_path, "torch", files, arch))
    assert judgements([finding]) == [("conflicting-openmp", "error")]
    assert finding.object == "torch.libs/libgomp-a34b3233.so.1.0.0"
    assert "GNU libgomp (torch.libs/libgomp-a34b3233.so.1.0.0)" in finding.message
    assert "LLVM OpenMP (torch.libs/libomp-1a2b3c4d.so)" in finding.message


def test_libgomp_and_libomp_of_two_packages_stay_apart(tmp_path: Path) -> None:
    (finding,) = two_packages(tmp_path, exporting(*GOMP), exporting(*KMP))
    assert judgements([finding]) == [("conflicting-openmp", "warning")]
    assert "both export omp_get_num_threads, GOMP_parallel, GOMP_barrier and 1 more" in finding.message
    assert "GNU libgomp (inside one-1.0: one/_core.so)" in finding.message


@pytest.mark.parametrize("soname", ["libomp.so", "libiomp5.so", "libomp-1a2b3c4d.so.5", None])
def test_two_of_llvm_end_the_process_wherever_they_are(soname: str | None, tmp_path: Path) -> None:
    (finding,) = two_packages(tmp_path, exporting(*KMP, soname="libomp-99999999.so"), exporting(*KMP, soname=soname))
    assert judgements([finding]) == [("conflicting-openmp", "error")]
    assert "OMP: Error #15" in finding.message


def test_a_module_that_reaches_two_libgomps_uses_one(tmp_path: Path) -> None:
    libraries = {name: exporting(*GOMP, soname=name) for name in ("libgomp-aaaaaaaa.so.1", "libgomp-bbbbbbbb.so.1")}
    files = {f"lib/{name}": data for name, data in libraries.items()}
    module = exporting(needed=libraries)
    (finding,) = conflicts(wheel(tmp_path, "one", {"one/_core.so": module, **files}))
    assert judgements([finding]) == [("conflicting-openmp", "warning")]
    assert "one/_core.so reaches both" in finding.message


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_library_of_the_same_soname_is_shared(arch: str, tmp_path: Path) -> None:
    name = "libgomp-a34b3233.so.1.0.0"
    library = exporting(*GOMP, soname=name, arch=arch)
    paths = []
    for package in ("one", "other"):
        files = {f"{package}/_core.so": exporting(needed={name: library}, arch=arch), f"{package}/{name}": library}
        paths.append(wheel(tmp_path, package, files, arch))
    assert conflicts(*paths, together=True) == []


def test_of_the_same_soname_but_loaded_by_path(tmp_path: Path) -> None:
    library = exporting(*GOMP, soname="libgomp-a34b3233.so.1.0.0")
    assert judgements(two_packages(tmp_path, library, library)) == [("conflicting-openmp", "warning")]


def test_the_copy_of_the_system_counts(tmp_path: Path) -> None:
    stub = exporting(*GOMP, soname="libgomp.so.1")
    (finding,) = two_packages(tmp_path, exporting(*GOMP), exporting(needed={"libgomp.so.1": stub}))
    assert judgements([finding]) == [("conflicting-openmp", "warning")]
    assert "the system's libgomp.so.1 (for other-1.0: other/_core.so)" in finding.message


def test_two_names_of_one_file_of_the_system_are_one(tmp_path: Path) -> None:
    names = ("libgomp.so.1", "libgomp.so.1.0.0")
    one, other = (exporting(needed={name: exporting(*GOMP, soname=name)}) for name in names)
    assert two_packages(tmp_path, one, other) == []


def test_without_together_each_wheel_is_judged_alone(tmp_path: Path) -> None:
    paths = [wheel(tmp_path, name, {f"{name}/_core.so": exporting(*KMP)}) for name in ("one", "other")]
    assert conflicts(*paths) == []
    assert judgements(conflicts(*paths, together=True)) == [("conflicting-openmp", "error")]


def test_wheels_of_other_architectures_or_c_libraries_never_meet(tmp_path: Path) -> None:
    paths = [
        wheel(tmp_path, "one", {"one/_core.so": exporting(*KMP)}),
        wheel(tmp_path, "other", {"other/_core.so": exporting(*KMP, arch="aarch64")}, "aarch64"),
        wheel(tmp_path, "third", {"third/_core.so": exporting(*KMP)}, family="musllinux"),
    ]
    assert conflicts(*paths, together=True) == []


def test_a_program_is_a_process_of_its_own(tmp_path: Path) -> None:
    library = exporting(*KMP, soname="libomp-aaaaaaaa.so")
    program = compile_with_zig(
        "void GOMP_barrier(void); int main(void) { GOMP_barrier(); return 0; }",
        "./libomp-aaaaaaaa.so",
        "-Wl,-rpath,$ORIGIN/../lib",
        beside={"libomp-aaaaaaaa.so": library},
    )
    files = {"one/bin/tool": program, "one/lib/libomp-aaaaaaaa.so": library, "one/_core.so": exporting(*KMP)}
    assert conflicts(wheel(tmp_path, "one", files)) == []
    module = exporting(needed={"libomp-aaaaaaaa.so": library})
    files["one/lib/module.so"] = module
    assert judgements(conflicts(wheel(tmp_path, "one", files))) == [("conflicting-openmp", "error")]


def test_a_tree_of_programs_is_many_processes(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "lib").mkdir(parents=True)
    for number in (14, 16):
        (tree / f"lib/libomp-{number}.so").write_bytes(exporting(*KMP, soname=f"libomp-{number}.so"))
    assert judgements(conflicts(str(tree))) == [("conflicting-openmp", "error")]
    (tree / "tool").write_bytes(compile_with_zig("int main(void) { return 0; }"))
    assert conflicts(str(tree)) == []
    libraries = {f"libomp-{number}.so": (tree / f"lib/libomp-{number}.so").read_bytes() for number in (14, 16)}
    (tree / "lib/module.so").write_bytes(exporting(needed=libraries))
    assert judgements(conflicts(str(tree))) == [("conflicting-openmp", "error")]


def test_what_a_package_loads_globally_answers_for_others(tmp_path: Path) -> None:
    start = b"import ctypes, os\nctypes.CDLL(os.path.join(here, 'libblas_global.so'), mode=ctypes.RTLD_GLOBAL)\n"
    one = {"one/libblas_global.so": exporting(*OPENBLAS), "one/__init__.py": start}
    paths = [wheel(tmp_path, "one", one), wheel(tmp_path, "other", {"other/_core.so": exporting(*OPENBLAS)})]
    (finding,) = conflicts(*paths, together=True)
    assert judgements([finding]) == [("conflicting-blas", "warning")]
    assert "is loaded with RTLD_GLOBAL" in finding.message


# --- BLAS -------------------------------------------------------------------------------------------------------------


def test_two_openblas_of_two_packages(tmp_path: Path) -> None:
    found = two_packages(tmp_path, exporting(*OPENBLAS), exporting(*OPENBLAS, "openblas_set_num_threads"))
    assert judgements(found) == [("conflicting-blas", "warning")]
    assert "dgemm_, cblas_dgemm" in found[0].message


def test_two_blas_that_one_module_reaches(tmp_path: Path) -> None:
    libraries = {"libopenblas.so.0": exporting(*OPENBLAS, soname="libopenblas.so.0")}
    libraries["libblis.so.4"] = exporting(*BLAS, "bli_info_get_version_str", soname="libblis.so.4")
    files = {f"lib/{name}": data for name, data in libraries.items()}
    (finding,) = conflicts(wheel(tmp_path, "one", {"one/_core.so": exporting(needed=libraries), **files}))
    assert judgements([finding]) == [("conflicting-blas", "error")]
    assert "one/_core.so reaches both, and the first one answers for both: dgemm_, cblas_dgemm" in finding.message


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_suffix_keeps_two_openblas_apart(arch: str, tmp_path: Path) -> None:
    renamed = exporting("scipy_openblas_get_config64_", "scipy_dgemm_64_", "gotoblas", arch=arch)
    (finding,) = two_packages(tmp_path, renamed, exporting(*OPENBLAS, arch=arch), arch)
    assert judgements([finding]) == [("conflicting-blas", "note")]
    assert "scipy_dgemm_64_ and dgemm_" in finding.message


def test_a_suffix_does_not_help_where_one_scope_holds_both_and_internals_are_the_same(tmp_path: Path) -> None:
    libraries = {"libopenblas.so.0": exporting(*OPENBLAS, soname="libopenblas.so.0")}
    libraries["libother.so"] = exporting("scipy_openblas_get_config", "scipy_dgemm_", "gotoblas", soname="libother.so")
    files = {f"lib/{name}": data for name, data in libraries.items()}
    (finding,) = conflicts(wheel(tmp_path, "one", {"one/_core.so": exporting(needed=libraries), **files}))
    assert judgements([finding]) == [("conflicting-blas", "error")]
    assert "gotoblas" in finding.message


def test_parts_of_mkl_are_one_copy(tmp_path: Path) -> None:
    parts = {"libmkl_rt.so.2": ("MKL_Get_Version", *BLAS), "libmkl_core.so.2": ("mkl_serv_get_version",)}
    files = {f"lib/{name}": exporting(*names, soname=name) for name, names in parts.items()}
    assert conflicts(wheel(tmp_path, "mkl", files)) == []
    other = wheel(tmp_path, "other", {"other/_core.so": exporting(*OPENBLAS)})
    assert judgements(conflicts(wheel(tmp_path, "mkl", files), other, together=True)) == [
        ("conflicting-blas", "warning")
    ]


def test_a_front_is_no_blas_of_its_own(tmp_path: Path) -> None:
    openblas = exporting(*OPENBLAS, soname="libopenblas.so.0")
    front = exporting(*BLAS, soname="libblas.so.3", needed={"libopenblas.so.0": openblas})
    files = {"lib/libopenblas.so.0": openblas, "lib/libblas.so.3": front}
    assert conflicts(wheel(tmp_path, "one", files)) == []
    files["lib/libblas.so.3"] = exporting(*BLAS, soname="libblas.so.3")
    assert judgements(conflicts(wheel(tmp_path, "one", files))) == [("conflicting-blas", "warning")]


# --- libstdc++, unwinders, CUDA, protobuf, malloc ---------------------------------------------------------------------


def test_two_libstdcxx_without_unique_names_stay_apart(tmp_path: Path) -> None:
    assert judgements(two_packages(tmp_path, exporting(*STREAMS), exporting(*STREAMS))) == [
        ("conflicting-libstdcxx", "warning")
    ]


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize(
    "signs", [("_ITM_RU1", "_ZGTtnam"), ("__newlocale", "__uselocale", "__wctype_l")], ids=["transactions", "locales"]
)
def test_a_hidden_libstdcxx_is_told_by_what_it_asks_for(signs: Sequence[str], arch: str, tmp_path: Path) -> None:
    (finding,) = two_packages(tmp_path, asking(*signs, arch=arch), exporting(*STREAMS, arch=arch), arch)
    assert judgements([finding]) == [("conflicting-libstdcxx", "note")]
    assert "hidden in one-1.0: one/_core.so" in finding.message


def test_one_sign_is_not_enough(tmp_path: Path) -> None:
    assert two_packages(tmp_path, asking("__newlocale", "dl_iterate_phdr"), exporting(*STREAMS)) == []


def test_the_part_that_manylinux_links_beside_the_shared_libstdcxx_is_no_copy(tmp_path: Path) -> None:
    stub = exporting(*STREAMS, soname="libstdc++.so.6")
    declared = "extern void _ITM_RU1(void) __attribute__((weak)); extern void _ZGTtnam(void) __attribute__((weak));"
    module = compile_with_zig(
        f"{declared} void (*table[])(void) = {{ _ITM_RU1, _ZGTtnam }};",
        *("-shared", "-fPIC", "-nostdlib", "-Wl,--no-as-needed", "./libstdc++.so.6"),
        beside={"libstdc++.so.6": stub},
    )
    assert two_packages(tmp_path, module, module.replace(b"table", b"tabla")) == []


def test_libcxx_is_not_libstdcxx(tmp_path: Path) -> None:
    libcxx = exporting("_ZNSt3__14coutE", "_ZNSt3__16locale7classicEv", "__cxa_get_globals", soname="libc++.so.1")
    assert two_packages(tmp_path, libcxx, exporting(*STREAMS)) == []


def test_two_unwinders(tmp_path: Path) -> None:
    libgcc = (
        "_Unwind_RaiseException",
        "_Unwind_Resume",
        "_Unwind_GetIP",
        "__register_frame_info",
        "__gcc_personality_v0",
    )
    unwind = ("_Unwind_RaiseException", "_Unwind_Resume", "_Unwind_GetIP")
    libraries = {
        "libgcc_s-2d945d6c.so.1": exporting(*libgcc, soname="libgcc_s-2d945d6c.so.1"),
        "libunwind.so.1": exporting(*unwind, soname="libunwind.so.1"),
    }
    one, other = libraries.values()
    (apart,) = two_packages(tmp_path, one, other)
    assert judgements([apart]) == [("conflicting-unwinder", "note")]
    files = {f"lib/{name}": data for name, data in libraries.items()}
    files["one/_core.so"] = exporting(needed=libraries)
    assert judgements(conflicts(wheel(tmp_path, "one", files))) == [("conflicting-unwinder", "error")]


def cudart(major: str) -> bytes:
    names = ("cudaLaunchKernel", "cudaRuntimeGetVersion", "cudaMalloc")
    source = "\n".join(f"void {name}(void) {{}}" for name in names)
    versions = f"libcudart.so.{major} {{ {'; '.join(names)}; }};"
    flags = ("-shared", "-fPIC", "-nostdlib", "-Wl,--version-script=map", f"-Wl,-soname,libcudart.so.{major}")
    return compile_with_zig(source, *flags, beside={"map": versions.encode()})


def test_cuda_runtimes_of_two_releases_are_versioned_apart(tmp_path: Path) -> None:
    (finding,) = two_packages(tmp_path, cudart("11.0"), cudart("12"))
    assert judgements([finding]) == [("conflicting-cuda", "note")]
    assert "libcudart.so.11.0, libcudart.so.12" in finding.message
    assert judgements(two_packages(tmp_path, cudart("12"), cudart("12"))) == [("conflicting-cuda", "warning")]


def test_the_cuda_runtimes_of_the_system_are_versioned_apart_too(tmp_path: Path) -> None:
    one, other = (exporting(needed={f"libcudart.so.{major}": cudart(major)}) for major in ("11.0", "12"))
    assert judgements(two_packages(tmp_path, one, other)) == [("conflicting-cuda", "note")]


def test_two_protobufs_and_two_grpc_cores(tmp_path: Path) -> None:
    pool = "_ZN6google8protobuf14DescriptorPool14generated_poolEv"
    core = ("grpc_init", "grpc_call_start_batch", "grpc_channel_create")
    found = two_packages(tmp_path, exporting(pool, *core), exporting(pool, *core))
    assert judgements(found) == 2 * [("conflicting-protobuf", "warning")]
    assert two_packages(tmp_path, exporting(pool), exporting(*core)) == []


def test_two_mallocs_matter_in_a_program_alone(tmp_path: Path) -> None:
    both = ("malloc", "free", "calloc", "realloc")
    libraries = {
        "libjemalloc.so.2": exporting(*both, "mallctl", soname="libjemalloc.so.2"),
        "libtcmalloc.so.4": exporting(*both, "tc_malloc", soname="libtcmalloc.so.4"),
    }
    files = {f"lib/{name}": data for name, data in libraries.items()}
    module = {**files, "one/_core.so": exporting(needed=libraries)}
    assert judgements(conflicts(wheel(tmp_path, "one", module))) == [("conflicting-malloc", "note")]
    program = compile_with_zig(
        "int main(void) { return 0; }",
        *("-Wl,--no-as-needed", "./libjemalloc.so.2", "./libtcmalloc.so.4", "-Wl,-rpath,$ORIGIN/../lib"),
        beside=libraries,
    )
    assert judgements(conflicts(wheel(tmp_path, "one", {**files, "bin/tool": program}))) == [
        ("conflicting-malloc", "error")
    ]


# --- what is said -----------------------------------------------------------------------------------------------------


def test_many_copies_make_one_finding(tmp_path: Path) -> None:
    files = {f"one/_m{number}.so": exporting(*OPENBLAS, f"own{number}") for number in range(8)}
    (finding,) = conflicts(wheel(tmp_path, "one", files))
    assert finding.message.startswith("8 BLAS libraries in one process: OpenBLAS (inside one/_m0.so), ")
    assert " and 3 more; of the first two: " in finding.message
    assert finding.message.count("one/_m") == 5


def test_something_worse_does_not_hide_what_is_mild(tmp_path: Path) -> None:
    files = {
        "one/_a.so": exporting(*OPENBLAS),
        "one/_b.so": exporting(*OPENBLAS, "b"),
        "one/_c.so": exporting("scipy_openblas_get_config", "scipy_dgemm_"),
    }
    assert judgements(conflicts(wheel(tmp_path, "one", files))) == [
        ("conflicting-blas", "warning"),
        ("conflicting-blas", "note"),
    ]


def test_names_of_any_length_are_shown_shortly(tmp_path: Path) -> None:
    long = "a" * 5000
    found = two_packages(tmp_path, exporting(*OPENBLAS, long), exporting("openblas_get_config64_", long))
    assert judgements(found) == [("conflicting-blas", "note")]
    assert f"{'a' * 100}…" in found[0].message
    assert len(found[0].message) < 1500


def test_paths_are_shown_whole(tmp_path: Path) -> None:
    path = f"{'deep/' * 40}_core.so"
    paths = [wheel(tmp_path, name, {f"{name}/{path}": exporting(*KMP)}) for name in ("one", "other")]
    (finding,) = conflicts(*paths, together=True)
    assert f"one-1.0: one/{path}" in finding.message
    assert f"other-1.0: other/{path}" in finding.message


def test_folders_and_bare_files_are_judged_together_too(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/_core.so").write_bytes(exporting(*KMP))
    (tmp_path / "bare.so").write_bytes(exporting(*KMP, "b"))
    (finding,) = conflicts(str(tmp_path / "folder"), str(tmp_path / "bare.so"), together=True)
    assert finding.severity == "error"
    assert "folder: _core.so" in finding.message
    assert f"{tmp_path}/bare.so" in finding.message


def test_many_copies_cost_little_more_than_reading_them(tmp_path: Path) -> None:
    """Pair by pair, 3,000 copies took minutes."""
    data = exporting(*KMP)
    for number in range(3000):
        (tmp_path / f"m{number}.so").write_bytes(data)
    with costs_less_than(30):
        (finding,) = conflicts(str(tmp_path))
        assert finding.message.startswith("3000 OpenMP runtimes in one process: ")


def test_copies_that_differ_in_names_are_judged_by_what_one_scope_holds(tmp_path: Path) -> None:
    """Beyond the number of kinds that are compared one by one, what one module reaches is still found."""
    artifact = read(tmp_path / "one", {"_core.so": exporting(*OPENBLAS)})
    (one,) = artifact.objects
    facets = [
        replace(one, path=f"_m{n}.so", soname=f"lib{n}.so", rpath=None, needed=(f"only{n}.so",)) for n in range(600)
    ]
    top = replace(one, path="_top.so", defined=frozenset(), needed=("lib598.so", "lib599.so"))
    found = [finding for _, finding in conflicting_runtimes([replace(artifact, objects=(*facets, top))])]
    assert [finding.message[:90] for finding in found if finding.severity == "error"] == [
        "2 BLAS libraries in one process: OpenBLAS (inside _m598.so), OpenBLAS (inside _m599.so); _"
    ]


# --- which of several artifacts meet ----------------------------------------------------------------------------------


def tagged(folder: Path, name: str, tag: str, data: bytes, version: str = "1.0") -> str:
    files = {f"{name}/_core.so": data}
    return str(make_wheel(folder, files, name=name, version=version, tag=f"{tag}-manylinux_2_39_x86_64"))


def test_a_path_is_judged_once_however_often_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = wheel(tmp_path, "one", {"one/_core.so": exporting(*KMP)})
    assert conflicts(path, path, together=True) == []
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/_core.so").write_bytes(exporting(*KMP))
    monkeypatch.chdir(tmp_path)
    names = ("folder", "folder/_core.so", "./folder", "folder/../folder/_core.so", "folder/")
    assert conflicts(*names, together=True) == []
    assert judgements(conflicts(*names, path, together=True)) == [("conflicting-openmp", "error")]


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("cp312-cp312", "cp312-cp312", True),
        ("cp311-cp311", "cp312-cp312", False),
        ("cp39-abi3", "cp312-cp312", True),
        ("cp313-abi3", "cp312-cp312", False),
        ("cp39-abi3", "cp311-abi3", True),
        ("cp39-abi3", "cp313-cp313t", False),
        ("py3-none", "cp313-cp313t", True),
        ("py2.py3-none", "py3-none", True),
        ("cp312-none", "cp312-cp312", True),
        ("pp310-pypy310_pp73", "cp310-cp310", False),
        ("pp310-pypy310_pp73", "py3-none", True),
        ("cp311.cp312-cp311.cp312", "cp312-cp312", True),
    ],
)
def test_wheels_meet_where_one_interpreter_takes_both(one: str, other: str, meet: bool, tmp_path: Path) -> None:  # noqa: FBT001
    paths = [tagged(tmp_path, "one", one, exporting(*KMP)), tagged(tmp_path, "other", other, exporting(*KMP))]
    expected = [("conflicting-openmp", "error")] if meet else []
    assert judgements(conflicts(*paths, together=True)) == expected


def test_one_wheel_of_a_distribution_is_installed(tmp_path: Path) -> None:
    data = exporting(*KMP)
    pythons = [tagged(tmp_path, "one", f"cp3{minor}-cp3{minor}", data) for minor in (11, 12)]
    releases = [tagged(tmp_path, "one", "cp312-cp312", data, version) for version in ("1.1", "1.2")]
    assert conflicts(*pythons, *releases, together=True) == []
    found = conflicts(*pythons, *releases, tagged(tmp_path, "other", "cp310-abi3", data), together=True)
    assert len(found) == 4  # each of the four meets the other package
    assert all("other-1.0: other/_core.so" in finding.message for finding in found)
    assert all(finding.message.startswith("2 OpenMP runtimes") for finding in found)


# --- the C library of a process ---------------------------------------------------------------------------------------

UNIQUE_STREAMS: Final = ("_ZNSt7num_putIcSt19ostreambuf_iteratorIcSt11char_traitsIcEEE2idE", *STREAMS)


def sharing(libc: str | None) -> bytes:
    """Return a module with names of libstdc++, one of them STB_GNU_UNIQUE, that needs the C library."""
    source = (
        "".join(f"void {name}(void) {{}} " for name in STREAMS) + "int puts(const char *); void f(void) { puts(0); }"
    )
    unique = f'__asm__(".type {UNIQUE_STREAMS[0]}, %gnu_unique_object\\n.data\\n'
    unique += f'{UNIQUE_STREAMS[0]}: .long 0\\n.text");'
    return compile_with_zig(f"{unique}\n{source}", "-shared", "-fPIC", glibc=libc)


def test_a_program_for_musl_takes_nothing_from_the_modules_beside_it(tmp_path: Path) -> None:
    files = {"one.so": sharing("2.17"), "other.so": sharing("2.17")}
    files["tool"] = compile_with_zig("int main(void) { return 0; }", "-dynamic", glibc=None)
    found = conflicts(wheel(tmp_path, "one", files))
    assert judgements(found) == [("conflicting-libstdcxx", "error")]
    assert "STB_GNU_UNIQUE" in found[0].message


def test_musl_knows_nothing_of_unique_names(tmp_path: Path) -> None:
    found = two_packages(tmp_path, sharing(None), sharing(None), family="musllinux")
    assert judgements(found) == [("conflicting-libstdcxx", "warning")]


def test_a_wheel_for_both_c_libraries_goes_with_either(tmp_path: Path) -> None:
    both = "cp312-cp312-manylinux_2_39_x86_64.musllinux_1_2_x86_64"
    dual = str(make_wheel(tmp_path, {"dual/_core.so": exporting(*KMP)}, name="dual", tag=both))
    for family in ("manylinux", "musllinux"):
        other = wheel(tmp_path, "other", {"other/_core.so": exporting(*KMP)}, family=family)
        assert judgements(conflicts(dual, other, together=True)) == [("conflicting-openmp", "error")]
        assert judgements(conflicts(other, dual, together=True)) == [("conflicting-openmp", "error")]


# --- which files are one copy -----------------------------------------------------------------------------------------


def test_one_library_under_several_names_is_one_copy(tmp_path: Path) -> None:
    library = exporting(*KMP, soname="libomp.so.5")
    files = {f"one.libs/{name}": library for name in ("libomp.so", "libomp.so.5", "libomp.so.5.0")}
    assert conflicts(wheel(tmp_path, "one", files)) == []
    files["other.libs/libomp.so.5"] = exporting(*KMP, "more", soname="libomp.so.5")
    assert judgements(conflicts(wheel(tmp_path, "one", files))) == [("conflicting-openmp", "error")]


@pytest.mark.parametrize("start", [b"import ctypes\nctypes.CDLL(here)\n", b""], ids=["by path", "nothing loads it"])
def test_a_library_of_a_known_soname_counts_where_its_package_loads_it_by_path(start: bytes, tmp_path: Path) -> None:
    library = exporting(*KMP, soname="libomp.so.5")
    needing = exporting(needed={"libomp.so.5": library})
    one = wheel(tmp_path, "one", {"one/_core.so": needing, "one/libomp.so.5": library})
    other = wheel(tmp_path, "other", {"other/__init__.py": start, "other/libomp.so.5": library})
    expected = [("conflicting-openmp", "error")] if start else []
    assert judgements(conflicts(one, other, together=True)) == expected


def test_a_needed_library_that_is_loaded_by_path_as_well_is_one_copy(tmp_path: Path) -> None:
    library = exporting(*KMP, soname="libomp.so.5")
    files = {"one/_core.so": exporting(needed={"libomp.so.5": library}), "one/libomp.so.5": library}
    files |= {"one/libomp.so": library, "one/__init__.py": b"import ctypes\nctypes.CDLL(here)\n"}
    assert conflicts(wheel(tmp_path, "one", files)) == []


# --- versions ---------------------------------------------------------------------------------------------------------


def with_versions(version: str, *, versioned: Sequence[str], plain: Sequence[str], arch: str) -> bytes:
    script = f"libcudart.so.{version} {{ {'; '.join(versioned)}; }};".encode()
    source = "\n".join(f"void {name}(void) {{}}" for name in (*versioned, *plain))
    flags = ("-shared", "-fPIC", "-nostdlib", "-Wl,--version-script=map", f"-Wl,-soname,libcudart.so.{version}")
    return compile_with_zig(source, *flags, beside={"map": script}, arch=arch)


@pytest.mark.parametrize("arch", ["x86_64", "i686", "s390x"])
def test_a_name_without_a_version_meets_whatever_has_one(arch: str, tmp_path: Path) -> None:
    tables = ("cudaLaunchKernel", "cudaRuntimeGetVersion")
    apart = [with_versions(one, versioned=(*tables, "cudaMalloc"), plain=(), arch=arch) for one in ("11", "12")]
    meeting = [
        with_versions(one, versioned=("other",), plain=(*tables, "cudaMalloc"), arch=arch) for one in ("11", "12")
    ]
    assert judgements(two_packages(tmp_path, apart[0], apart[1], arch)) == [("conflicting-cuda", "note")]
    (finding,) = two_packages(tmp_path, meeting[0], meeting[1], arch)
    assert judgements([finding]) == [("conflicting-cuda", "warning")]
    assert "both export cudaMalloc" in finding.message
    for libraries, expected in ((apart, "note"), (meeting, "error")):
        named = {f"libcudart.so.{number}": data for number, data in enumerate(libraries, 11)}
        files = {f"lib/{name}": data for name, data in named.items()}
        found = conflicts(wheel(tmp_path, "one", {"one/_core.so": exporting(needed=named, arch=arch), **files}, arch))
        assert judgements(found) == [("conflicting-cuda", expected)]


# --- RTLD_GLOBAL ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "told"),
    [
        ("import sys, os\nsys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)\nfrom . import _core\n", True),
        ("sys.setdlopenflags(os.RTLD_GLOBAL)\nfrom one._core import *\nsys.setdlopenflags(old)\n", True),
        ("sys.setdlopenflags(os.RTLD_GLOBAL)\nsys.setdlopenflags(old)\nfrom . import _core\n", False),
        ("if False:\n    sys.setdlopenflags(os.RTLD_GLOBAL)\nfrom . import _core\n", False),
        ("# RTLD_GLOBAL\nfrom . import _core\n", False),
    ],
)
@pytest.mark.parametrize("prefix", ["", "one-1.0.data/platlib/"])
def test_what_is_imported_with_global_flags_answers_for_others(
    start: str,
    told: bool,  # noqa: FBT001
    prefix: str,
    tmp_path: Path,
) -> None:
    files = {f"{prefix}one/_core.so": exporting(*OPENBLAS), f"{prefix}one/__init__.py": start.encode()}
    paths = [wheel(tmp_path, "one", files), wheel(tmp_path, "other", {"other/_core.so": exporting(*OPENBLAS)})]
    (finding,) = conflicts(*paths, together=True)
    assert (
        "is loaded with RTLD_GLOBAL" in finding.message.replace("unless one is loaded with RTLD_GLOBAL", "")
    ) == told


# --- the table --------------------------------------------------------------------------------------------------------


def test_every_source_of_the_table_is_explained_and_used() -> None:
    table = runtimes()
    used = {source for family in table.families for runtime in family.runtimes for source in runtime.sources}
    assert used == set(table.sources)


def test_what_the_table_says_hangs_together() -> None:
    for family in runtimes().families:
        names = [runtime.name for runtime in family.runtimes]
        assert len(set(names)) == len(names)
        assert all(set(clash.between) <= set(names) for clash in family.clashes)
        for runtime in family.runtimes:
            assert not set(runtime.exports) & set(runtime.renamed)
            assert all(re.fullmatch(r"lib[\w+*?.\-]+\.so\*", glob) for glob in runtime.libraries)
