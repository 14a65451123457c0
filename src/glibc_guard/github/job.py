"""Which job of which workflow speaks: what tells its check run and its comment from those of other jobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

LONGEST_NAME: Final = 200  # characters of a check run's name
LONGEST_VALUE: Final = 60


class Job(Struct, frozen=True):
    """A job: the same one in every run of the workflow."""

    workflow: str  # path of the workflow file: "owner/name/.github/workflows/build.yml"
    name: str  # GITHUB_JOB: the key of the job in that file
    variant: tuple[str, ...] = ()  # what tells it from others of that name: the values of the matrix, in its order

    def key(self, check: str) -> str:
        """Return what marks the check run or the comment of this job, and of the check named ``check`` in it."""
        text = json.dumps([self.workflow, self.name, self.variant, check])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def values(self) -> str:
        """What tells the job from others of its name, in one line."""
        return ", ".join(value[:LONGEST_VALUE] for value in self.variant)[:LONGEST_NAME]

    def check_name(self, name: str) -> str:
        """Return ``name`` with the variant, as the platform names the jobs of a matrix, unless it has it all.

        Of check runs with one name GitHub shows the latest alone: a failure would hide behind another job's success.
        """
        if all(value in name for value in self.variant):
            return name[:LONGEST_NAME]
        return f"{name} ({self.values})"[:LONGEST_NAME]


def job_of(environment: Mapping[str, str], variant: str) -> Job:
    """Return the job with ``environment``; ``variant`` is text, or a ``matrix`` context as JSON: ``null`` for none."""
    try:
        values = tuple(_values(json.loads(variant or "null")))
    except (ValueError, RecursionError):
        values = (variant,)
    workflow = environment.get("GITHUB_WORKFLOW_REF", "").partition("@")[0]
    return Job(workflow, environment.get("GITHUB_JOB", ""), values)


def _values(found: object) -> Iterator[str]:
    if isinstance(found, (dict, list)):
        for item in found.values() if isinstance(found, dict) else found:
            yield from _values(item)
    elif isinstance(found, str):
        yield found
    elif found is not None:
        yield json.dumps(found)
