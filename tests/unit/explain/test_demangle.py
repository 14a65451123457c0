import subprocess
import sys

import pytest

from glibc_guard.explain.demangle import LONGEST, demangled, is_rust, package_of
from measured import costs_less_than
from provisions import needs_demangler

NAMES = {
    "_ZN4core3fmt9Formatter3pad17h9b2b3a0e5b4d1b31E": ("core::fmt::Formatter::pad", "core"),
    "_RNvMNtNtNtNtCsixDYL9TCqmG_3std3sys3pal4unix4timeNtB2_8Timespec3now": (
        "<std::sys::pal::unix::time::Timespec>::now",
        "std",
    ),
    "_ZN6plasma12_GLOBAL__N_117GenerateEnumNamesEPKPKcii.constprop.0": (
        "plasma::(anonymous namespace)::GenerateEnumNames(char const* const*, int, int)",
        "plasma",
    ),
    "_ZTv0_n24_N3ray4coreD1Ev": ("virtual thunk to ray::core::~core()", "ray"),
    "_ZN3std9panicking12default_hook17h0123456789abcdefE.llvm.1234": ("std::panicking::default_hook", "std"),
    "_Z5scored": ("score(double)", None),
    "_ZN12_GLOBAL__N_13fooEv": ("(anonymous namespace)::foo()", None),
    "main": ("main", None),
    "read_config.part.0.cold": ("read_config", None),
    "walk.constprop.0.isra.0.lto_priv12.34": ("walk", None),
    "counter.__uniq.123456789.llvm.9876": ("counter", None),
    "table.0": ("table.0", None),
    "walk.coldness.1": ("walk.coldness.1", None),
    "walk.cold..1": ("walk.cold..1", None),
}


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    shown, package = NAMES[name]
    assert package_of(name) == package
    if sys.version_info >= (3, 11) or not name.startswith("_"):
        assert demangled(name) == shown


@pytest.mark.parametrize("name", NAMES)
def test_rust_is_told_from_cxx(name: str) -> None:
    expected = name.startswith("_R") or "17h" in name
    assert is_rust(name, None) == expected
    assert is_rust(demangled(name), package_of(name)) == expected


@pytest.mark.parametrize(
    "name",
    [
        "_ZN" + "9" * 5000,
        "_Z" + "P" * 8000 + "i",
        "_R" + "NvC" * 2000,
        "\0",
        "foo.cold" + "1" * 16384 + "x",
        "foo" + ".cold.1" * 2340 + "x",
        "foo.cold" + ".1" * 8192 + ".x",
        "_ZN" + "1" * 8000 + "17h",
    ],
    ids=lambda name: name[:12],
)
def test_a_hostile_name_is_bounded(name: str) -> None:
    with costs_less_than(2):
        assert len(demangled(name)) <= LONGEST
        package_of(name)


@needs_demangler
@pytest.mark.parametrize(
    ("name", "shown", "loads"),
    [
        ("_ZNK3ray4core5ScoreEd", "ray::core::Score(double) const", False),
        ("_ZZ4mainENK3$_0clEv", "main::$_0::operator()() const", True),
        ("_ZN4testE", "test", False),
        ("_ZN8$RF$testE", "&test", True),
        ("__ZN4core3fmt17h9b2b3a0e5b4d1b31E", "core::fmt", True),
        ("__RNvC6_123foo3bar", "123foo::bar", True),
    ],
)
def test_what_reads_rust_is_loaded_for_what_may_be_rust(name: str, shown: str, *, loads: bool) -> None:
    program = (
        "import sys; from glibc_guard.explain.demangle import demangled; "
        "print(demangled(sys.argv[1]), 'demangle.schemes.rust' in sys.modules, sep='\\n')"
    )
    told = subprocess.run([sys.executable, "-c", program, name], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [shown, str(loads)]
