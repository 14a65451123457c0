"""Repairs objects in a copy of their artifact, as far as that is provably safe, and tells the rest with its reason."""

from glibc_guard.repair.changes import Change, FixReport, Outcome, Refusal, Repair, RepairError
from glibc_guard.repair.objects import RepairedObject, Wish, repaired

__all__ = [
    "Change",
    "FixReport",
    "Outcome",
    "Refusal",
    "Repair",
    "RepairError",
    "RepairedObject",
    "Wish",
    "repaired",
]
