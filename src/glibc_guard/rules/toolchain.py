"""foreign-toolchain: an object that was built elsewhere than the rest, by the notes that compilers and linkers leave.

All of it is hearsay (``.comment``, DW_AT_comp_dir, RUNPATH), and some of it goes when an object is stripped. So objects
are only compared where both sides tell something, and only by two things: the distribution whose compiler or start
files (``crtbegin.o``, which the linker adds) were used, and folders that belong to one machine.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from glibc_guard.model import NOT_LOADED, Artifact, ElfObject, Finding, Severity
from glibc_guard.rules.linkage import libc_of
from glibc_guard.settings import Settings

SHOWN: Final = 3
#: Those who build compilers under their own name, as they write it into GCC_VERSION or the version of clang.
DISTRIBUTORS: Final = (
    "Red Hat", "Ubuntu", "Debian", "Alpine", "SUSE", "Gentoo", "conda-forge", "Anaconda", "Raspbian", "Mageia",
    "OpenWrt", "Buildroot", "Homebrew", "Android",
)  # fmt: skip
UPSTREAM: Final = "no distribution's"  # gcc as GNU publishes it, or as crosstool-NG and musl-cross-make build it
GCC: Final = "GCC: ("
#: Folders of what others built: repair tools' copies, vendored packages.
OTHERS_FOLDERS: Final = re.compile(
    r"(?:^|/)(?:[^/]*\.libs|[^/]*\.dylibs|_?vendor(?:ed)?|third_?party(?:_files)?|site-packages|dist-packages|node_modules)/"
)
#: What NVIDIA's packages for Python hold (nvidia-*-cu11, -cu12, -cu13), the driver's libcuda, and CUPTI's helpers.
NVIDIA: Final = (
    r"cuda|cudart|cudadevrt|cublas(?:Lt|Mp)?|cudnn(?:_\w+)?|cudss(?:_\w+)?|cufft(?:w|Mp)?|cufile(?:_rdma)?|cuinj64|cupti|"
    r"curand|cusolver(?:Mg|Mp)?|cusparse(?:Lt)?|cutensor(?:Mg|net)?|nccl|npp\w{1,5}|nvblas|nvfatbin|nvinfer(?:_\w+)?|"
    r"nvJitLink|nvjpeg(?:2k)?|nvonnxparser|nvperf_(?:host|target)|nvrtc|nvrtc-builtins|nvshmem(?:_\w+)?|nvToolsExt|nvvm|"
    r"nvidia-\w+"
)
#: Libraries that compilers and processor makers ship, and the names that repair tools give to copies.
OTHERS_LIBRARIES: Final = re.compile(
    r"-[0-9a-f]{8}\.so(?:\.|$)|(?:^|/)lib(?:stdc\+\+|gcc_s|gomp|gfortran|quadmath|atomic|iomp5|omp|tbb\w*|mkl_\w+|"
    rf"[atlu]{{1,2}}san|{NVIDIA})[-.]"
)
#: A folder that belongs to one person's or one service's machine, or that a build container mounts.
MACHINE: Final = re.compile(r"/(?:home|Users)/[^/]+|/(?:io|project|__w|github)(?=/|$)")
#: Where distributions build what they ship: it comes along in start files and static libraries.
DISTRIBUTION_BUILDS: Final = frozenset({"/home/buildozer", "/home/abuild", "/home/conda", "/home/mockbuild"})
HINT: Final = (
    "was it built outside of the build container and copied in, with a folder that held an old build? Build it with "
    "the rest; expect-toolchain in the configuration makes an error of it"
)

Signs = Callable[[ElfObject], frozenset[str]]


def foreign_toolchain(artifact: Artifact, settings: Settings) -> Iterator[Finding]:
    """Yield a finding for each object of the artifact's own build that tells of another machine than the rest."""
    loaded = [item for item in artifact.objects if item.kind not in NOT_LOADED]
    own = [item for item in loaded if is_own(item)]
    complaints: dict[str, list[str]] = {}
    for path, complaint in _foreign_folders(own) if not _is_collection(artifact) else ():
        complaints.setdefault(path, []).append(complaint)
    if settings.expect_toolchain:
        for item in own:
            yield from _held_against(item, settings.expect_toolchain)
        if loaded and not own:
            yield _nothing_held(loaded)
    elif not _is_collection(artifact):
        for path, complaint in _foreign_compilers(own):
            complaints.setdefault(path, []).insert(0, complaint)
    for path, told in complaints.items():
        yield Finding("foreign-toolchain", "note", path, "; ".join(told), hint=HINT)


def is_own(item: ElfObject) -> bool:
    """Tell whether the object is likely one that the artifact's own build made, and not one that it was given."""
    return not OTHERS_FOLDERS.search(item.path) and not OTHERS_LIBRARIES.search(item.path)


def _nothing_held(loaded: Sequence[ElfObject]) -> Finding:
    what = f"{len(loaded):,} {'object looks' if len(loaded) == 1 else 'objects look'} like what others built"
    message = f"nothing was held against expect-toolchain: {what} ({loaded[0].path})"
    hint = "an object of your own goes by another name, and lies outside of folders like NAME.libs and vendor"
    return Finding("foreign-toolchain", "note", None, message, hint=hint)


def _held_against(item: ElfObject, expected: Sequence[str]) -> Iterator[Finding]:
    """Hold the compiler notes of ``item`` against those that the configuration expects."""
    severity: Severity = "error"
    asked = ", ".join(f"“{text}”" for text in expected)
    strange = [text for text in item.comments if not any(_is_in(one, text) for one in expected)]
    named = [text for text in strange if _distributors([text])]
    if not item.comments:
        severity = "note"
        message = f"carries no compiler notes (.comment): nothing tells whether it comes from the expected {asked}"
        hint = "leave the section in: plain strip does; strip -R .comment and some linkers take it out"
    elif len(strange) == len(item.comments):
        message = f"was built by {_quoted(named or strange)}, and expected is {asked}"
        hint = "build it with the rest, and look for the step that copied an old or a foreign build into the artifact"
    elif named:
        severity = "note"
        message = f"carries {_quoted(named)} beside the expected {asked}: a part of it was built or linked elsewhere"
        hint = "name that toolchain in expect-toolchain too if it is meant"
    else:
        return
    yield Finding("foreign-toolchain", severity, item.path, message, hint=hint)


def _foreign_compilers(own: Iterable[ElfObject]) -> Iterator[tuple[str, str]]:
    for item, usual, others in _odd_ones(own, lambda item: _distributors(item.comments)):
        ours, theirs = _of(item.comments, None), _of(others[0].comments, usual)
        yield item.path, f"was built by {_quoted(ours)}, but {_in_words(others)} by {_quoted(theirs)}"


def _foreign_folders(own: Iterable[ElfObject]) -> Iterator[tuple[str, str]]:
    for item, usual, others in _odd_ones(own, _machines):
        if not any(place.startswith(("/home/", "/Users/")) for place in (usual, *_machines(item))):
            continue  # two containers mount two folders: that tells nothing
        ours = next(folder for folder in item.build_folders if MACHINE.match(folder))
        theirs = next(folder for folder in others[0].build_folders if folder.startswith(usual))
        yield item.path, f"was built in {ours}, but {_in_words(others)} in {theirs}"


def _odd_ones(own: Iterable[ElfObject], signs: Signs) -> Iterator[tuple[ElfObject, str, list[ElfObject]]]:
    """Yield each object without the most frequent sign of those that tell any, that sign, and the objects that have it.

    Compared is what one build makes at a time: objects of one architecture and one C library.
    """
    alike: dict[tuple[str, str | None], list[ElfObject]] = {}
    for item in own:
        if item.kind in {"shared", "executable"} and signs(item):
            alike.setdefault((item.architecture, libc_of(item)), []).append(item)
    for items in alike.values():
        ((usual, _),) = Counter(sorted(sign for item in items for sign in signs(item))).most_common(1)
        others = [item for item in items if usual in signs(item)]
        for item in items:
            if usual not in signs(item):
                yield item, usual, others


def _distributors(comments: Iterable[str]) -> frozenset[str]:
    """Return whose compilers speak here; UPSTREAM where gcc does, and nobody's name is on it."""
    comments = [*comments]
    named = frozenset(name for name in DISTRIBUTORS for text in comments if name.lower() in text.lower())
    return named or frozenset(UPSTREAM for text in comments if text.startswith(GCC))


def _machines(item: ElfObject) -> frozenset[str]:
    found = (MACHINE.match(folder) for folder in item.build_folders)
    return frozenset(match[0] for match in found if match) - DISTRIBUTION_BUILDS


def _is_collection(artifact: Artifact) -> bool:
    """Tell whether packages of several makers are installed here, each built in its own way."""
    parts = {path.partition("/")[0] for path in artifact.files}
    return sum(part.endswith((".dist-info", ".egg-info")) for part in parts) > 1


def _is_in(expected: str, text: str) -> bool:
    return re.search(".*".join(map(re.escape, expected.split("*"))), text) is not None


def _of(comments: Sequence[str], distributor: str | None) -> list[str]:
    """Return the comments that tell of ``distributor``; without one, those that tell of any."""
    told = [text for text in comments if distributor in _distributors([text]) or not distributor]
    return [text for text in told if _distributors([text])] or [*comments]


def _quoted(comments: Sequence[str]) -> str:
    return ", ".join(f"“{text}”" for text in comments[:SHOWN])


def _in_words(items: Sequence[ElfObject]) -> str:
    more = len(items) - 1
    return items[0].path if not more else f"{items[0].path} and {more:,} {'other' if more == 1 else 'others'}"
