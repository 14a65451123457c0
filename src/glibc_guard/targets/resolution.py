"""From names to targets: what the wheel's tag promises, and what the user asks for on top."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from glibc_guard.model import Target
from glibc_guard.targets import distros, glibc, manylinux
from glibc_guard.targets.errors import TagError, TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from glibc_guard.model import InstalledWheel, Libc, WheelFacts
    from glibc_guard.targets.distros import Distribution
    from glibc_guard.targets.manylinux import Profile

AUTO: Final = "auto"
_LEGACY_DEFAULT: Final = "manylinux2014"  # the name by which people know manylinux.DEFAULT
_KINDS: Final = (
    "a target is a glibc release (2.17), a manylinux or musllinux profile (manylinux_2_28) or a distribution (rhel8)"
)
_SHOWN: Final = 60  # characters of an unknown name that a message repeats
_NEAR: Final = 3
_WITH_ARCHITECTURE = re.compile(rf"(.+?)[-_ ]({'|'.join(glibc.ARCHITECTURES)})")


class Resolution(Struct, frozen=True):
    """The targets that must all hold, and what a reader should know of how they came about."""

    targets: tuple[Target, ...]
    notes: tuple[str, ...]


def resolve(
    names: Sequence[str],
    wheel: WheelFacts | None,
    architectures: Sequence[str],
    installed: Sequence[InstalledWheel] = (),
    libc: Libc = "glibc",
) -> Resolution:
    """Find the targets of one artifact.

    What the tag of a wheel promises comes first and always counts, since an installer goes by it. The user's targets
    come on top. ``auto`` stands for the promise, or for a default where there is none.

    Args:
        names: what the user asked for; none at all is the same as ``auto``.
        wheel: what a wheel says of itself; None for every other artifact.
        architectures: of the objects found; those that are not judged ("EM_MIPS") are passed over.
        installed: the wheels of a site-packages folder: ``auto`` is what all of them promise.
        libc: the C library of that folder; the promises for another one are choices that were not taken.

    Raises:
        TargetError: a name that is not known, or a target that cannot be kept for one of the architectures.
    """
    judged = tuple(arch for arch in dict.fromkeys(architectures) if arch in glibc.ARCHITECTURES)
    explicit = [name for name in names if name.strip().lower() != AUTO]
    platforms = wheel.platforms if wheel is not None else ()
    promised = [_promised(platform) for platform in platforms if platform.startswith(("manylinux", "musllinux"))]
    notes: tuple[str, ...] = ()
    automatic = not names or len(explicit) < len(names)
    if installed and automatic:
        promised, notes = _promised_by_installed(installed, judged, libc)
    if not promised and platforms and not any(_promises_nothing(platform) for platform in platforms):
        notes = (f"made for {', '.join(platforms)}: no Linux system is promised",)
    elif not promised and automatic:
        promised, more = _defaults(judged or _tagged_architectures(platforms))
        notes = (*notes, *more)
    wanted = [target for name in explicit for target in _named(name.strip(), judged)]
    return Resolution(_without_duplicates([*promised, *wanted]), notes)


def all_names() -> tuple[str, ...]:
    """Every name that a target can have, without architectures: for help, completion and near misses."""
    return (AUTO, *glibc.releases(), *manylinux.names(), *distros.names())


def _promised(platform: str) -> Target:
    try:
        return _profile_target(manylinux.from_tag(platform), "wheel tag")
    except TargetError as error:
        raise TagError(f"the wheel's own tag cannot be judged: {error}") from error


def _promised_by_installed(
    installed: Sequence[InstalledWheel], judged: Sequence[str], libc: Libc
) -> tuple[list[Target], tuple[str, ...]]:
    """Return what an environment as a whole promises, by architecture: the newest that a wheel asks for.

    A wheel with several tags promises the oldest of them; one that is not known to hold native code, nothing.
    """
    newest: dict[str, tuple[Profile, str]] = {}
    for wheel in installed:
        for architecture, profile in _oldest_profiles(wheel, libc).items() if wheel.objects else ():
            known = newest.get(architecture)
            if architecture in judged and (known is None or known[0].release < profile.release):
                newest[architecture] = (profile, wheel.name)
    found = [newest[architecture] for architecture in sorted(newest)]
    wheels = sum(bool(wheel.platforms) for wheel in installed)
    notes = [
        f"an environment of {wheels} installed wheels: all of them promise {profile.platform}, which {name} asks for"
        for profile, name in found
    ]
    notes += _passed_over(installed)
    return [_profile_target(profile, "installed wheels") for profile, _ in found], tuple(notes)


def _passed_over(installed: Sequence[InstalledWheel]) -> Iterator[str]:
    silent = [wheel.name for wheel in installed if wheel.objects and not _promises(wheel)]
    if silent:
        yield f"installed with native code, but without a promise in the tag: {_listed(silent)}"
    empty = [wheel.name for wheel in installed if not wheel.objects and _promises(wheel)]
    if empty:
        yield f"no native code of theirs lies here, so that their tags promise nothing: {_listed(empty)}"


def _promises(wheel: InstalledWheel) -> bool:
    return any(platform.startswith(("manylinux", "musllinux")) for platform in wheel.platforms)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NEAR} more" if len(names) > _NEAR else ""
    return ", ".join(names[:_NEAR]) + more


def _oldest_profiles(wheel: InstalledWheel, libc: Libc) -> dict[str, Profile]:
    """Return what the wheel promises for ``libc``, by architecture."""
    found: dict[str, Profile] = {}
    for platform in wheel.platforms:
        if platform.startswith("musllinux" if libc == "musl" else "manylinux"):
            try:
                profile = manylinux.from_tag(platform)
            except TargetError as error:
                raise TagError(f"the tag of the installed {wheel.name} cannot be judged: {error}") from error
            oldest = found.get(profile.architecture, profile)
            found[profile.architecture] = min(oldest, profile, key=lambda one: one.release)
    return found


def _promises_nothing(platform: str) -> bool:
    return platform == "any" or platform.startswith("linux_")


def _tagged_architectures(platforms: Iterable[str]) -> tuple[str, ...]:
    tagged = (platform.removeprefix("linux_") for platform in platforms)
    return tuple(architecture for architecture in tagged if architecture in glibc.ARCHITECTURES)


def _defaults(architectures: Iterable[str]) -> tuple[list[Target], tuple[str, ...]]:
    profiles = [_default(architecture) for architecture in architectures]
    notes = dict.fromkeys(_default_note(profile) for profile in profiles)
    return [_profile_target(profile, "default") for profile in profiles], tuple(notes)


def _default(architecture: str) -> Profile:
    try:
        return manylinux.profile(manylinux.DEFAULT, architecture)
    except TargetError:
        return manylinux.profile(manylinux.first(architecture), architecture)


def _default_note(profile: Profile) -> str:
    release = profile.ceilings["GLIBC"]
    if profile.name == manylinux.DEFAULT:
        return f"no promise found: judged against {_LEGACY_DEFAULT} (glibc {release}), the default"
    return (
        f"no promise found: judged against {profile.name} (glibc {release}), the first manylinux profile of "
        f"{profile.architecture}"
    )


def _named(name: str, judged: Iterable[str]) -> list[Target]:
    match = _WITH_ARCHITECTURE.fullmatch(name.lower())
    text, architectures = (match[1], (match[2],)) if match else (name, judged)
    make = _maker(text, name)
    return [make(architecture) for architecture in architectures]


def _maker(text: str, name: str) -> Callable[[str], Target]:
    profile = manylinux.canonical(text)
    if profile is not None:
        return lambda architecture: _profile_target(manylinux.profile(profile, architecture), "option")
    release = glibc.find(text)
    if release is not None:
        return partial(_release_target, release)
    distribution = distros.find(text)
    if distribution is not None:
        return partial(_distribution_target, distribution)
    raise TargetError(_unknown(name))


def _profile_target(profile: Profile, origin: str) -> Target:
    return Target(profile.platform, origin, profile.architecture, profile.libc, profile.ceilings)


def _release_target(release: str, architecture: str) -> Target:
    glibc.check_exists(release, architecture)
    return Target(release, "option", architecture, "glibc", {"GLIBC": release})


def _distribution_target(distribution: Distribution, architecture: str) -> Target:
    if architecture not in distribution.ceilings:
        raise TargetError(
            f"{distribution.name} does not exist for {architecture}, only for {', '.join(distribution.architectures)}"
        )
    level = distribution.x86_64_level if architecture == "x86_64" else 1
    return Target(distribution.id, "option", architecture, "glibc", distribution.ceilings[architecture], level)


def _without_duplicates(targets: Iterable[Target]) -> tuple[Target, ...]:
    found: dict[tuple[str, str], Target] = {}
    for target in targets:
        found.setdefault((target.name, target.arch), target)
    return tuple(found.values())


def _unknown(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - lazy: needed for one message only

    shown = name[:_SHOWN]
    near = get_close_matches(shown.lower(), all_names(), n=_NEAR)
    suggestion = f"; did you mean {', '.join(near)}?" if near else ""
    return f"unknown target {shown!a}{suggestion} ({_KINDS})"
