"""Platform profiles of Python packages: manylinux (PEP 513, 571, 599, 600) and musllinux (PEP 656)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from glibc_guard.targets import glibc, tables
from glibc_guard.targets.errors import TargetError
from glibc_guard.targets.symbol_version import at_most

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glibc_guard.model import Libc
    from glibc_guard.targets.tables import Policy

#: The profile that an artifact is judged against when it promises nothing.
DEFAULT: Final = "manylinux_2_17"

# musl has no public name for its C library but this one per architecture (Alpine's libc.musl-*.so.1).
_MUSL_ARCHITECTURES: Final = {"i686": "x86", "armv7l": "armv7"}

_PROFILE_NAME = re.compile(r"(manylinux|musllinux)_?([0-9]{1,4})(?:_([0-9]{1,4}))?")
# As an installer reads it: a manylinux tag in any other spelling installs nowhere.
_PLATFORM_TAG = re.compile(
    r"(manylinux(?:1|2010|2014)|(?:manylinux|musllinux)_[0-9]{1,4}_[0-9]{1,4})_([a-z][a-z0-9_]*)"
)


class Profile(Struct, frozen=True):
    """What a profile promises on one architecture."""

    name: str  # canonical, without the architecture: "manylinux_2_17"
    architecture: str
    libc: Libc
    ceilings: Mapping[str, str]  # "0": no version of this namespace at all
    named_versions: Mapping[str, frozenset[str]]  # namespace → promised names that are no numbers: "TM_1", "FLOAT128"
    libraries: frozenset[str]  # the SONAMEs that may be needed from the system
    forbidden_symbols: Mapping[str, frozenset[str]]  # library → symbols that not every system's copy has

    @property
    def platform(self) -> str:
        """The platform tag: "manylinux_2_17_x86_64"."""
        return f"{self.name}_{self.architecture}"

    @property
    def release(self) -> tuple[int, ...]:
        """The numbers of the name, by which profiles of one family are ordered."""
        return _release(self.name)


def names() -> tuple[str, ...]:
    """Name every known profile, legacy names included, without architectures."""
    aliases = [alias for policy in _policies() for alias in policy.aliases]
    manylinux = [f"manylinux_{release.replace('.', '_')}" for release in glibc.releases()]
    return (*aliases, *manylinux, *(policy.name for policy in _policies() if policy.name.startswith("musllinux")))


def canonical(text: str) -> str | None:
    """Read the name of a profile without architecture: "manylinux2014" is "manylinux_2_17".

    None for what is no name of a profile. Upper case, and ``-``, ``.`` or a space for ``_``, are understood.

    Raises:
        TargetError: the profile is older or newer than the known ones.
    """
    match = _PROFILE_NAME.fullmatch(re.sub(r"[-. ]", "_", text.lower()))
    if match is None:
        return None
    family, first, second = match.groups()
    if second is None:
        return _aliases().get(f"{family}{first}")
    name = f"{family}_{int(first)}_{int(second)}"
    _check_known(name)
    return name


def from_tag(platform: str) -> Profile:
    """Look up what a platform tag of a wheel promises.

    Raises:
        TargetError: the tag is malformed, or names a profile or an architecture that is not known.
    """
    match = _PLATFORM_TAG.fullmatch(platform)
    if match is None:
        raise TargetError(f"the platform tag {platform!a} is malformed: it should look like manylinux_2_28_x86_64")
    name = canonical(match[1])
    if name is None:  # pragma: no cover - the pattern of tags is narrower than that of names
        raise AssertionError(platform)
    return profile(name, match[2])


def find(target: str) -> Profile | None:
    """Look up the profile behind the name of a target ("manylinux_2_17_x86_64"); None if it is none."""
    return from_tag(target) if _PLATFORM_TAG.fullmatch(target) else None


@lru_cache(maxsize=512)
def profile(name: str, architecture: str) -> Profile:
    """Look up what a profile (by its canonical name) promises on an architecture.

    A manylinux profile without a policy of its own takes the policy of the nearest older one, and its own number for
    GLIBC. The number is the profile's own in any case: policies list version nodes, such as the extra ``GLIBC_2.18``
    of RHEL 7 on aarch64, or stop at 2.36 for 2.37, which added no symbol there.

    Raises:
        TargetError: the profile does not exist for the architecture.
    """
    if architecture not in glibc.ARCHITECTURES:
        known = ", ".join(glibc.ARCHITECTURES)
        raise TargetError(f"{name}: the architecture {architecture!a} is not known; known are {known}")
    family = name.partition("_")[0]
    policy = _nearest(name, architecture)
    libc: Libc = "glibc" if family == "manylinux" else "musl"
    number = name.removeprefix(f"{family}_").replace("_", ".")
    ceilings = {"GLIBC": number} if libc == "glibc" else {"musl": number}
    return Profile(
        name=name,
        architecture=architecture,
        libc=libc,
        ceilings={**policy.ceilings[architecture], **ceilings},
        named_versions={
            namespace: frozenset(versions)
            for namespace, versions in policy.named_versions.get(architecture, {}).items()
        },
        libraries=frozenset(policy.libraries) | _musl_libraries(architecture, libc),
        forbidden_symbols={library: frozenset(symbols) for library, symbols in policy.forbidden_symbols.items()},
    )


def first(architecture: str, family: str = "manylinux") -> str:
    """Name the first profile of an architecture: "manylinux_2_31" for riscv64."""
    return next(
        policy.name
        for policy in _policies()
        if policy.name.startswith(f"{family}_") and architecture in policy.ceilings
    )


def lowest_profile(floor: Mapping[str, str], architecture: str) -> Profile | None:
    """Find the oldest manylinux profile that promises all of ``floor``; None where none does."""
    oldest = _release(first(architecture))
    for release in glibc.releases():
        numbers = tuple(map(int, release.split(".")))
        if numbers >= oldest:
            candidate = profile(f"manylinux_{release.replace('.', '_')}", architecture)
            if all(at_most(number, candidate.ceilings.get(name, number)) for name, number in floor.items()):
                return candidate
    return None


def _nearest(name: str, architecture: str) -> Policy:
    family = name.partition("_")[0]
    older = [
        policy
        for policy in _policies()
        if policy.name.startswith(f"{family}_")
        and architecture in policy.ceilings
        and _release(policy.name) <= _release(name)
    ]
    if not older:
        raise TargetError(
            f"{name} does not exist for {architecture}: the first {family} profile there is "
            f"{first(architecture, family)}"
        )
    return older[-1]


def _check_known(name: str) -> None:
    family = name.partition("_")[0]
    known = [policy.name for policy in _policies() if policy.name.startswith(f"{family}_")]
    newest = f"manylinux_{glibc.NEWEST[0]}_{glibc.NEWEST[1]}" if family == "manylinux" else known[-1]
    if _release(name) > _release(newest):
        raise TargetError(
            f"{name} is newer than {newest}, the newest profile that glibc-guard knows: update glibc-guard, or name "
            "an older target"
        )
    if _release(name) < _release(known[0]):
        raise TargetError(f"{name} is older than {known[0]}, the first {family} profile")


def _musl_libraries(architecture: str, libc: Libc) -> frozenset[str]:
    # musl's loader answers to every name that starts with "libc." (ldso/dynlink.c, load_library), so the policy's
    # "libc.so" stays; programs linked on Alpine ask for the other name.
    if libc != "musl":
        return frozenset()
    return frozenset({f"libc.musl-{_MUSL_ARCHITECTURES.get(architecture, architecture)}.so.1"})


def _release(name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in name.split("_")[1:])


def _aliases() -> dict[str, str]:
    return {alias: policy.name for policy in _policies() for alias in policy.aliases}


def _policies() -> tuple[Policy, ...]:
    return tables.policies().policies
