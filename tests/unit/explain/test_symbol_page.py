"""What `explain` tells, of every symbol that glibc ever had, and of what nobody has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from glibc_guard.explain.knowledge import knowledge
from glibc_guard.explain.symbol_page import SymbolPage, UnknownSymbolError, symbol_page
from glibc_guard.model import Target
from glibc_guard.output import render_page
from glibc_guard.targets import glibc_symbols
from glibc_guard.targets.glibc import ARCHITECTURES

ROOT = Path(__file__).parents[3]
SEVENTEEN = Target("2.17", "option", "x86_64", "glibc", {"GLIBC": "2.17"})


def page(asked: str, *architectures: str) -> SymbolPage:
    return symbol_page(asked, architectures or ARCHITECTURES, (SEVENTEEN,))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "glibc_guard", "explain", *arguments]
    return subprocess.run(command, env=environment, check=False, capture_output=True, encoding="utf-8")


def test_pow_by_architecture() -> None:
    found = page("pow@GLIBC_2.29")
    versions = {
        arch: [one.version for one in entry.appearances] for entry in found.versions for arch in entry.architectures
    }
    assert versions["x86_64"] == ["GLIBC_2.2.5", "GLIBC_2.29"]
    assert versions["aarch64"] == ["GLIBC_2.17", "GLIBC_2.29"]
    assert versions["riscv64"] == ["GLIBC_2.27"]
    (on,) = found.targets
    assert (on.has_it, on.versions) == (False, ("GLIBC_2.2.5",))
    (distributions,) = found.distributions
    assert "Debian 11" in distributions.having
    assert "Red Hat Enterprise Linux 8" in distributions.lacking
    assert any(".symver pow,pow@GLIBC_2.2.5" in text for text in found.remedies)
    assert "reusable workflow" in found.remedies[0]


def test_a_move_is_told_by_library() -> None:
    (entry,) = page("dlopen", "x86_64").versions
    assert [(one.version, one.library, one.since, one.until) for one in entry.appearances] == [
        ("GLIBC_2.2.5", "libdl.so.2", "2.2.5", "2.34"),
        ("GLIBC_2.2.5", "libc.so.6", "2.34", None),
        ("GLIBC_2.34", "libc.so.6", "2.34", None),
    ]
    assert not any("__asm__" in text for text in page("dlopen@GLIBC_2.34", "x86_64").remedies)


def test_a_version_tells_what_is_new_in_it() -> None:
    found = page("GLIBC_2.34", "x86_64")
    (additions,) = found.additions
    assert "close_range" in additions.new
    assert "__libc_start_main" in additions.changed
    assert "pthread_create" in additions.moved
    assert {"start-of-a-program", "moved-into-libc"} <= {story.name for story in found.stories}


@pytest.mark.parametrize(
    ("asked", "gcc", "has", "has_not"),
    [
        ("GLIBCXX_3.4.29", "11.1", "Red Hat Enterprise Linux 9", "Red Hat Enterprise Linux 8"),
        ("CXXABI_1.3.13", "11.1", "Ubuntu 22.04", "Ubuntu 20.04"),
        ("GCC_7.0.0", "7", "Red Hat Enterprise Linux 8", "Red Hat Enterprise Linux 7"),
        ("_ZN5boost1fEv@GLIBCXX_3.4.29", "11.1", "Debian 12", "Debian 11"),
        ("_ZSt28__throw_bad_array_new_lengthv", None, "Debian 12", "Debian 11"),
        ("std::__throw_bad_array_new_length()", None, "Debian 12", "Debian 11"),
        ("GLIBC_ABI_DT_RELR", None, "Debian 12", "Ubuntu 22.04"),
        ("_ZGVbN2v_sin@GLIBC_2.22", None, "Ubuntu 18.04", "Red Hat Enterprise Linux 7"),
    ],
)
def test_what_has_no_table_goes_by_the_version(asked: str, gcc: str | None, has: str, has_not: str) -> None:
    found = page(asked, "x86_64")
    assert found.gcc == gcc
    (distributions,) = found.distributions
    assert has in distributions.having
    assert has_not in distributions.lacking
    assert found.remedies


def test_nobody_promises_what_is_private() -> None:
    for asked in ("GLIBC_PRIVATE", "__pthread_get_minstack@GLIBC_PRIVATE"):
        found = page(asked)
        assert (found.targets, found.distributions) == ((), ())
        assert [story.name for story in found.stories] == ["private"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("pthread_creat", "did you mean pthread_create"),
        ("pow@GLIBC_2.30", "it has GLIBC_2.2.5, GLIBC_2.29"),
        ("pow@", ""),
        ("", "no symbol is named"),
        ("@GLIBC_2.17", "no symbol is named"),
        ("GLIBC_2.99", "GLIBC_2.99"),
        ("GLIBC_2.20", "glibc 2.20 brought no version of its own"),
        ("GLIBCXX_3.4.99", "GLIBCXX_3.4.99"),
        ("GLIBC_ABI_NONSENSE", "GLIBC_ABI_NONSENSE"),
        ("_ZN5boost1fEv", "a name of C++ or Rust"),
        ("x" * 100_000, "xxx..."),
    ],
)
def test_what_is_unknown(asked: str, message: str) -> None:
    if not message:
        assert page(asked).version is None
        return
    with pytest.raises(UnknownSymbolError, match=r"^[\x20-\x7e]{1,400}$") as caught:
        page(asked)
    assert message in str(caught.value)


def test_every_symbol_has_a_page() -> None:
    for name in sorted(glibc_symbols.load("x86_64").symbols())[::25]:
        found = page(name, "x86_64")
        assert found.versions
        assert found.remedies
        assert not any("{" in text and "}" in text and "{version}" in text for text in found.remedies)


def test_every_version_has_a_page() -> None:
    for version in ("GLIBC_2.2.5", "GLIBC_2.4", "GLIBC_2.14", "GLIBC_2.38", "GLIBC_2.44", "GLIBCXX_3.4"):
        assert page(version, "x86_64").distributions


def test_no_text_is_left_with_a_gap() -> None:
    for family in knowledge().families:
        for name in family.symbols:
            asked = name if "*" not in name and "[" not in name else None
            if asked and any(asked in glibc_symbols.load(arch).symbols() for arch in ("x86_64",)):
                found = page(asked, "x86_64")
                assert not any(word in text for text in found.remedies for word in ("{symbol}", "{older}", "@VERSION"))


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_answers() -> None:
    done = run("reallocarray", "--target", "rhel8")
    assert done.returncode == 0
    assert done.stdout.startswith("reallocarray\n")
    assert "rhel8 (glibc 2.28): has it" in done.stdout
    assert "\x1b" not in done.stdout


def test_an_architecture_is_chosen() -> None:
    done = run("memcpy", "--arch", "aarch64", "--arch", "aarch64", "--no-color")
    assert "aarch64\n    GLIBC_2.17  libc.so.6 since glibc 2.17" in done.stdout
    assert "GLIBC_2.2.5" not in done.stdout


def test_json_is_the_page() -> None:
    done = run("pow@GLIBC_2.29", "--format", "json", "--arch", "x86_64")
    found = json.loads(done.stdout)
    assert (found["symbol"], found["version"]) == ("pow", "GLIBC_2.29")
    assert msgspec.convert(found, SymbolPage).versions[0].architectures == ("x86_64",)


def test_markdown_is_a_table() -> None:
    text = render_page(page("pow@GLIBC_2.29"), "markdown", color=False, width=None).decode()
    assert text.startswith("### `pow@GLIBC_2.29`\n")
    assert "| x86\\_64 | `GLIBC_2.29` | libm\\.so\\.6 since glibc 2\\.29 |" in text
    additions = render_page(page("GLIBC_2.34", "x86_64"), "markdown", color=False, width=None).decode()
    assert "Moved here on x86_64 (188)" in additions


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pthread_creat",), "did you mean pthread_create"),
        (("::error::x\n##[error]y",), "no glibc"),
        (("\x1b[31mred\u202e",), "no glibc"),
        (("pow", "--target", "musllinux_1_2"), "musl has no symbol versions"),
        (("pow", "--target", "rhel99"), "unknown target"),
        (("pow", "--target", "2.17", "--arch", "riscv64"), "does not exist for riscv64"),
    ],
)
def test_a_question_that_cannot_be_answered(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert message in line
    assert "Traceback" not in line
    assert "##[" not in line
    assert "\x1b" not in line


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_a_hostile_name_is_harmless(form: str) -> None:
    done = run("::error::\x1b[31m\n##[x]|`<b>@GLIBCXX_3.4.29", "--format", form)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert not any(line.lstrip().startswith("::") for line in done.stdout.splitlines())
    assert "\n##[" not in done.stdout


@pytest.mark.parametrize(
    ("asked", "arch", "said", "not_said"),
    [
        ("__explicit_bzero_chk", "x86_64", "ac_cv_func_explicit_bzero=no", "ac_cv_func___"),
        ("__strlcpy_chk@GLIBC_2.38", "aarch64", "ac_cv_func_strlcpy=no", "ac_cv_func___"),
        ("stat64@GLIBC_2.33", "i686", "__xstat64(3, …)", "__xstat("),
        ("stat64@GLIBC_2.33", "i686", ".symver __xstat64,__xstat64@GLIBC_2.2", "(1, …)"),
        ("fstat@GLIBC_2.33", "x86_64", "__fxstat(1, …)", "__xstat"),
        ("lstat@GLIBC_2.33", "ppc64le", "__lxstat(1, …)", "(3, …)"),
        ("fstatat@GLIBC_2.33", "aarch64", "__fxstatat(0, …)", "dev_t"),
        ("mknod@GLIBC_2.33", "x86_64", "__xmknod(0, …)", "__xstat"),
        ("mknodat@GLIBC_2.33", "ppc64le", "__xmknodat(1, …)", "__xstat"),
        ("roundeven", "x86_64", "-msse4.1", "frintn"),
        ("roundeven", "aarch64", "zig cc", "-msse4.1"),
        ("llogb", "x86_64", "zig cc", "-msse4.1"),
        ("fcntl64", "x86_64", "leave it out (-U_FILE_OFFSET_BITS)", "Keep"),
        ("fcntl64", "i686", "Keep -D_FILE_OFFSET_BITS=64", "leave it out"),
        ("fts64_open", "armv7l", "Keep -D_FILE_OFFSET_BITS=64", "leave -D"),
        ("powf128", "aarch64", "zig cc", "libquadmath"),
    ],
)
def test_a_remedy_fits_symbol_and_architecture(asked: str, arch: str, said: str, not_said: str) -> None:
    texts = "\n".join(page(asked, arch).remedies)
    assert said in texts
    assert not_said not in texts
