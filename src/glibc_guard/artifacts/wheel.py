"""What a wheel says of itself: its file name (PEP 427, PEP 425 compressed tag sets) and its WHEEL file."""

from __future__ import annotations

from collections.abc import Iterable
from email.parser import BytesHeaderParser

from packaging.tags import parse_tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from glibc_guard.artifacts.member import ArtifactError, Member
from glibc_guard.model import WheelFacts

METADATA_BYTES = 1024 * 1024


def wheel_facts(file_name: str, members: Iterable[Member]) -> WheelFacts:
    """Read the tags that pip goes by (those of the file name) and those of the WHEEL file.

    Raises:
        ArtifactError: the name is not one that pip would install, or the WHEEL file is missing or damaged.
    """
    try:
        name, version, _, _ = parse_wheel_filename(file_name)
    except InvalidWheelFilename as error:
        raise ArtifactError(f"not a valid wheel file name, so pip would refuse it: {error}") from error
    compressed = file_name.removesuffix(".whl").rsplit("-", 3)[1:]
    return WheelFacts(str(name), str(version), _expanded("-".join(compressed)), _metadata_tags(members))


def _metadata_tags(members: Iterable[Member]) -> tuple[str, ...]:
    for member in members:
        folder, _, name = member.path.partition("/")
        if name == "WHEEL" and folder.endswith(".dist-info"):
            headers = BytesHeaderParser().parsebytes(member.open().read(0, METADATA_BYTES))
            return tuple(sorted(tag for line in headers.get_all("Tag", []) for tag in _expanded(str(line).strip())))
    raise ArtifactError("damaged wheel: it holds no .dist-info/WHEEL file")


def _expanded(compressed: str) -> tuple[str, ...]:
    """Expand a compressed tag set; sorted, since ``parse_tag`` gives a set and a report must be the same each time."""
    try:
        return tuple(sorted(map(str, parse_tag(compressed))))
    except ValueError:
        return ()
