"""What a reader of a finding needs to know: why the symbol is there, and the best way to be rid of the need for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from glibc_guard.explain import history
from glibc_guard.explain.demangle import MANGLED, is_rust
from glibc_guard.explain.knowledge import Crate, Family, families_of, filled, gcc_of, image, knowledge, numbers
from glibc_guard.explain.repository_paths import crate_of
from glibc_guard.model import FIXABLE_ARCHITECTURES, FIXABLE_KINDS, ArtifactReport, Finding, Site, Target
from glibc_guard.rules.symbol_versions import WEAK_HINT
from glibc_guard.targets import glibc_symbols
from glibc_guard.targets.glibc import ARCHITECTURES
from glibc_guard.targets.symbol_version import parse
from glibc_guard.urls import page

#: Targets in the words of rustup.
RUST_TARGETS: Final = {
    "x86_64": "x86_64-unknown-linux-gnu",
    "i686": "i686-unknown-linux-gnu",
    "aarch64": "aarch64-unknown-linux-gnu",
    "armv7l": "armv7-unknown-linux-gnueabihf",
    "ppc64le": "powerpc64le-unknown-linux-gnu",
    "s390x": "s390x-unknown-linux-gnu",
    "riscv64": "riscv64gc-unknown-linux-gnu",
    "loongarch64": "loongarch64-unknown-linux-gnu",
}
#: What code without a name is called.
NAMELESS: Final = re.compile(r"(?:fn|code|data)@0x")
#: Of crt1.o, which is in programs of every language.
START: Final = "_start"
LIBSTDCXX_NAME: Final = "libstdc++.so"
CXX_FILES: Final = (".cc", ".cpp", ".cxx", ".c++", ".C", ".hpp", ".hh", ".hxx", ".tcc")
Language: TypeAlias = Literal["rust", "c++", "c"]
#: Architectures that the reusable workflow builds for.
OUR_BUILDS: Final = frozenset({"x86_64", "aarch64"})
#: https://blog.rust-lang.org/2022/08/01/Increasing-glibc-kernel-requirements.html
OLDEST_OF_RUST: Final = "2.17"
TOO_OLD_FOR_RUST: Final = "promise glibc 2.17, which Rust itself needs since 1.64, or build with Rust 1.63"
NOBODY: Final = (
    "the need was left behind when nothing used it any more: link it again where glibc is no newer than {release}"
)

#: Only the library's own source files have unnamed namespaces in std; as `demangled` spells them, or mangled.
OF_LIBSTDCXX: Final = ("std::(anonymous namespace)::", "_ZNSt12_GLOBAL__N_1", "_ZNKSt12_GLOBAL__N_1")
OR_TAKE_OUT: Final = ", or take the need out of a copy: "
CAN_DO_WITHOUT: Final = "; where you know that no code needs it, a copy can do without: "
LIBSTDCXX: Final = "libstdc++.a of the machine that linked asks for it (-static-libstdc++)"


class Traces(Struct, frozen=True):
    """What an object tells of its language where its code does not."""

    comments: Sequence[str] = ()  # compiler notes
    needed: Sequence[str] = ()  # libraries


NO_TRACES: Final = Traces()


class _Asker(Struct, frozen=True):
    """Whose code asks for a symbol."""

    crate: Crate | None
    language: Language | None

    @property
    def is_rust(self) -> bool:
        return self.crate is not None or self.language == "rust"


class _Hint(Struct, frozen=True):
    """A hint, and the part of it that others share."""

    text: str
    remedy: str | None = None

    @classmethod
    def of(cls, why: str, remedy: str, instead: str | None = None) -> _Hint:
        """Join a reason, the remedy and another way out, as `Finding.remedy` says."""
        return cls(f"{why}: {remedy}" + (f", or {instead}" if instead else ""), remedy)


def advised(report: ArtifactReport, comments: Mapping[str, Sequence[str]]) -> ArtifactReport:
    """Return ``report`` with the hints of its findings where more is known than the rules say.

    ``comments`` are the compiler notes of its objects, by their paths.
    """
    if not any(finding.rule in _ADVICE for finding in report.findings):
        return report
    objects = {item.path: item for item in report.objects}
    strong = _strong_needs(report)
    targets = {(target.name, target.arch): target for target in report.targets}

    def with_hint(finding: Finding) -> Finding:
        item = objects.get(finding.object or "")
        target = targets.get((finding.target or "", item.arch)) if item is not None else None
        if item is None or target is None:
            return finding
        copied = report.kind in FIXABLE_KINDS and target.origin != "installed wheels"
        traces = Traces(comments.get(item.path, ()), item.needed)
        return advised_finding(finding, target, traces, fixable=copied and _need(finding) not in strong)

    return replace(report, findings=tuple(map(with_hint, report.findings)))


def advised_finding(finding: Finding, target: Target, traces: Traces = NO_TRACES, *, fixable: bool = False) -> Finding:
    """Return ``finding`` with a hint for ``target``, whose architecture is the object's, of which ``traces`` are.

    ``fixable`` says that the artifact is of a kind that ``fix`` copies, and that every symbol of the same version need
    is weak, so that the need can be taken out.
    """
    if finding.rule not in _ADVICE or target.libc != "glibc" or target.arch not in ARCHITECTURES:
        return finding
    hint = _ADVICE[finding.rule](finding, target, traces)
    if hint is None:
        return finding
    return replace(finding, hint=hint.text + (_repair(finding, target) if fixable else ""), remedy=hint.remedy)


def without_repair(finding: Finding) -> Finding:
    """Return ``finding``, which ``fix`` refused to repair, with a hint that does not name ``fix``."""
    hint = (finding.hint or "").partition(OR_TAKE_OUT)[0].partition(CAN_DO_WITHOUT)[0]
    return replace(finding, hint=hint or None)


def _repair(finding: Finding, target: Target) -> str:
    """Name the command that repairs a copy, where it can; with the target unless the artifact promises that itself."""
    command = "glibc-guard fix PATH -o fixed/" + (f" --target {target.name}" if target.origin == "option" else "")
    weak = finding.rule == "symbol-version-too-new" and finding.hint == WEAK_HINT and _is_of_glibc(finding)
    if weak and target.arch in FIXABLE_ARCHITECTURES:
        return f"{OR_TAKE_OUT}{command}"
    if finding.rule == "executable-stack" and target.arch == "x86_64":  # where fix knows what needs such a stack
        return f"{CAN_DO_WITHOUT}{command} --clear-executable-stack"
    return ""


def _is_of_glibc(finding: Finding) -> bool:
    named = parse(finding.version or "")
    return named is not None and named.namespace == "GLIBC"


def _strong_needs(report: ArtifactReport) -> frozenset[tuple[str | None, ...]]:
    """Return the version needs of which a symbol that is not weak asks for something."""
    findings = (*report.findings, *(entry.finding for entry in report.ignored))
    return frozenset(_need(one) for one in findings if one.symbol is not None and one.binding != "weak")


def _need(finding: Finding) -> tuple[str | None, ...]:
    return finding.object, finding.library, finding.version


def words(
    symbol: str, version: str | None, architecture: str, release: str, language: Language | None = None
) -> dict[str, str]:
    """Return what the texts of the knowledge table leave open; ``language`` None where it is not known."""
    family = next(iter(families_of(symbol, version)), None)
    older = family and _older(family, symbol, version, architecture, release)
    former = family.former_name(symbol) if family else symbol
    oldest = history.at(former, release, architecture)
    built = image(release, architecture)
    return {
        "symbol": symbol,
        "plain": _plain(symbol),
        "former": former,
        "formerly": f"{former}@{oldest[-1].version if oldest else 'VERSION'}",
        "older": older or f"{former}@VERSION",
        "arch": architecture,
        "release": release,
        "image": f"quay.io/pypa/{built.name}_{architecture}" if built else f"a system with glibc {release}",
        "zig": f"{glibc_symbols.ZIG_TARGETS[architecture]}.{release}",
        "rust": f"{RUST_TARGETS[architecture]}.{release}",
        "linker": _linker(architecture, release, language),
    }


def _linker(architecture: str, release: str, language: Language | None) -> str:
    """Return the command that links for ``release``; where the language is not known, the two that may."""
    cargo = f"cargo zigbuild --target {RUST_TARGETS[architecture]}.{release}"
    if language == "rust":
        return cargo
    zig = f"zig {'c++' if language == 'c++' else 'cc'} -target {glibc_symbols.ZIG_TARGETS[architecture]}.{release}"
    return zig if language is not None else f"{zig} (Rust: {cargo})"


def _plain(symbol: str) -> str:
    """Return the name by which configure looks for what headers turn into ``symbol``."""
    for suffix in ("_chk", "_time64"):
        if symbol.startswith("__") and symbol.endswith(suffix):
            return symbol[2 : -len(suffix)]
    return symbol


def build(architecture: str, release: str, language: Language | None) -> str:
    """Say in a few words where to build for ``release``, which is the remedy that always helps."""
    built = image(release, architecture)
    if built is None:
        return f"build with {_linker(architecture, release, language)}"
    if architecture in OUR_BUILDS:
        return f"build in {built.name} ({page('building.md')})"
    return f"build in quay.io/pypa/{built.name}_{architecture}"


# --- one function a rule ----------------------------------------------------------------------------------------------


def _too_new(finding: Finding, target: Target, traces: Traces) -> _Hint | None:
    """Advise on symbol-version-too-new: what asks for it, what is older, where to build."""
    release, named = target.ceilings.get("GLIBC"), parse(finding.version or "")
    if release is None or named is None or (finding.hint and finding.hint != WEAK_HINT):
        return None
    if finding.symbol is None:
        return _Hint(filled(NOBODY, {"release": release})) if named.namespace == "GLIBC" else None
    asker = _Asker(_crate(finding), _language(finding, traces))
    if named.namespace != "GLIBC":
        return _of_a_compiler(finding, target, release, asker)
    if finding.hint == WEAK_HINT:
        return _weak(target, release, asker)
    return _of_glibc(finding, target, release, asker)


def _of_glibc(finding: Finding, target: Target, release: str, asker: _Asker) -> _Hint:
    symbol, version = finding.symbol or "", finding.version
    family = next(iter(families_of(symbol, version)), None)
    language: Language | None = "rust" if asker.is_rust else asker.language
    filling = words(symbol, version, target.arch, release, language)
    way = build(target.arch, release, language)
    if _is_of_libstdcxx(finding):
        return _Hint.of(LIBSTDCXX, way, "leave the flag out")
    why = filled(asker.crate.advice if asker.crate else _reason(family, symbol, version, target.arch, release), filling)
    if asker.is_rust:
        if numbers(release) < numbers(OLDEST_OF_RUST):
            return _Hint(f"{why}: {TOO_OLD_FOR_RUST}")
        zigbuild = f", or by {filling['linker']}" if image(release, target.arch) else ""
        return _Hint.of(why, f"{way}{zigbuild}")
    instead = family and family.instead_of_it(target.arch)
    if instead and not (instead.endswith("{linker}") and filling["linker"] in way):  # the same way, told once
        return _Hint.of(why, way, filled(instead, filling))
    older = family and _older(family, symbol, version, target.arch, release)
    return _Hint.of(why, way, f'write __asm__(".symver {symbol},{older}")' if older and asker.language else None)


def _reason(family: Family | None, symbol: str, version: str | None, architecture: str, release: str) -> str:
    """Say why the symbol is newer than the system: as the knowledge table says, else as the symbol tables do."""
    older = family and _older(family, symbol, version, architecture, release)
    if family and family.reason:
        return family.reason
    if older and family and family.differs:
        return f"{older} exists on {architecture} and {family.differs}"
    there = history.at(symbol, release, architecture)
    if there:
        return f"{there[-1].version} of it exists on {architecture}, in {there[-1].library} of glibc {release}"
    first = history.history(symbol, architecture)
    return f"glibc has it since {first[0].since}" if first else "no glibc that is known here has it"


def _older(family: Family, symbol: str, version: str | None, architecture: str, release: str) -> str | None:
    """Return "pow@GLIBC_2.2.5": what code may ask for in place of ``symbol``, and glibc ``release`` has.

    A version in another library is none: the linker would write the need for the library where it finds it.
    """
    if not family.may_use_symver(architecture):
        return None
    name = family.former_name(symbol)
    library = next(
        (one.library for one in history.history(symbol, architecture) if version in {None, one.version}), None
    )
    found = [
        one for one in history.at(name, release, architecture) if one.library == library and one.version != version
    ]
    return f"{name}@{found[-1].version}" if found else None


def _weak(target: Target, release: str, asker: _Asker) -> _Hint:
    """Advise on a weak symbol: the code copes, and the loader does not."""
    why = asker.crate.advice if asker.crate else WEAK_HINT.rpartition(": ")[0]
    return _Hint.of(why, build(target.arch, release, "rust" if asker.is_rust else asker.language))


def _of_a_compiler(finding: Finding, target: Target, release: str, asker: _Asker) -> _Hint | None:
    """Advise on a version of libstdc++ or libgcc, which go by the release of GCC."""
    gcc = gcc_of(finding.version or "")
    family = next(iter(families_of(finding.symbol or "", finding.version)), None)
    if gcc is None and family is None:
        return None
    reason = family.reason if family and family.reason else f"{finding.version} came with GCC {gcc}"
    linked = ", whose gcc links what is newer statically" if image(release, target.arch) else ""
    way = f"{build(target.arch, release, asker.language)}{linked}"
    return _Hint.of(reason, way, family.instead_of_it(target.arch) if family else None)


def _missing(finding: Finding, target: Target, traces: Traces) -> _Hint | None:
    """Advise on symbol-missing: who brings an unversioned symbol, or where the system has it."""
    release = target.ceilings.get("GLIBC")
    if finding.hint is not None or release is None or finding.symbol is None:
        return None
    way = build(target.arch, release, _language(finding, traces))
    there = history.at(finding.symbol, release, target.arch)
    elsewhere = [one for one in there if finding.version in {None, one.version} and one.library != finding.library]
    if elsewhere:
        library = elsewhere[-1].library
        flag = f"-l{library.partition('.so')[0].removeprefix('lib')}"
        return _Hint(f"glibc {release} has it in {library}: {way}, and link it with {flag}")
    family = next(iter(families_of(finding.symbol, finding.version)), None)
    if there or not history.history(finding.symbol, target.arch):
        return None
    reason = _reason(family, finding.symbol, finding.version, target.arch, release)
    why = filled(reason, words(finding.symbol, finding.version, target.arch, release))
    return _Hint.of(why, f"{way}, the archives (.a) that are linked in too")


def _goes_on(finding: Finding, target: Target, traces: Traces) -> _Hint | None:
    """Advise on weak-version-need, which is no fault."""
    release = target.ceilings.get("GLIBC")
    if finding.hint is not None or release is None:
        return None
    way = build(target.arch, release, _language(finding, traces))
    return _Hint(f"nothing has to be done; to be rid of the line on stderr {way}")


def _as_the_rule_says(finding: Finding, _: Target, __: Traces) -> _Hint | None:
    return None if finding.hint is None else _Hint(finding.hint)


_ADVICE: Final[Mapping[str, Callable[[Finding, Target, Traces], _Hint | None]]] = {
    "executable-stack": _as_the_rule_says,
    "symbol-version-too-new": _too_new,
    "symbol-missing": _missing,
    "weak-version-need": _goes_on,
}


# --- who asks ---------------------------------------------------------------------------------------------------------


def _crate(finding: Finding) -> Crate | None:
    """Return the Rust crate that asks, where it is one that something is known of."""
    # A path has the name of the package ("aws-lc-sys"), a symbol that of the crate ("aws_lc_sys").
    packages = {(name or "").replace("-", "_") for site in finding.sites for name in (site.package, site.through)}
    for crate in knowledge().crates:
        fits = crate.name in packages and any(fnmatchcase(finding.symbol or "", glob) for glob in crate.symbols)
        if fits and crate.binding in {None, finding.binding} and (crate.name != "std" or _is_rust(finding)):
            return crate
    return None


def _language(finding: Finding, traces: Traces) -> Language | None:
    """Tell the language of the code that asks, by names and files, else by the object; None where nothing tells."""
    if _is_rust(finding):
        return "rust"
    telling = [site for site in finding.sites if site.function != START]
    if MANGLED.match(finding.symbol or "") or any(map(_is_of_cxx, telling)):
        return "c++"
    known = any(site.file or site.frames or _has_name(site) for site in telling)
    if not known and any("rustc" in text for text in traces.comments):
        return "rust"
    if any(name.startswith(LIBSTDCXX_NAME) for name in traces.needed):
        return "c++"
    return "c" if known or traces.comments else None


def _is_of_cxx(site: Site) -> bool:
    """Tell whether file or name are of C++: the names of C have no parameters, and no namespaces."""
    name = site.function or ""
    return (site.file or "").endswith(CXX_FILES) or "(" in name or "::" in name


def _has_name(site: Site) -> bool:
    return site.function is not None and not NAMELESS.match(site.function)


def _is_of_libstdcxx(finding: Finding) -> bool:
    """Tell whether code of a libstdc++ that was linked in asks."""
    return any((site.function or "").startswith(OF_LIBSTDCXX) for site in finding.sites)


def _is_rust(finding: Finding) -> bool:
    """Tell whether the code that asks is Rust, by its source files, else by its names."""
    return any(_is_of_rust(site) for site in finding.sites)


def _is_of_rust(site: Site) -> bool:
    """Tell whether cargo built the code: Rust, or what a crate has of C."""
    files = [file for file in (site.file, *(frame.file for frame in site.frames)) if file]
    if files:
        return any(file.endswith(".rs") or crate_of(file) is not None for file in files)
    return site.function is not None and is_rust(site.function, site.package)
