"""Checks every wheel of wheels.toml, asks auditwheel about it too, and holds both against what is true.

``python -m bench.survey`` prints the table; ``--write`` puts it into docs/real-wheels.md as well. The exit status is 1
where a verdict or a floor is not the true one that wheels.toml records.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from bench.fetch_wheels import CACHE, Wheel, fetch, listed
from bench.pages import replace_between_markers
from glibc_guard.report.neutral import markdown_code
from glibc_guard.report.spelling import WORD, spelled
from glibc_guard.targets import manylinux
from glibc_guard.targets.errors import TargetError

PAGE: Final = Path(__file__).parent.parent / "docs" / "real-wheels.md"
AUDITWHEEL: Final = f"auditwheel-{version('auditwheel')}"
SHOWN: Final = 3  # findings of a wheel that are shown in full


@dataclass(frozen=True, slots=True)
class Judgement:
    """What glibc-guard says of a wheel."""

    verdict: str
    floor: dict[str, str]
    findings: tuple[dict[str, Any], ...]  # those of the report, nested wheels' included

    def differences(self, wheel: Wheel) -> Iterator[str]:
        """Yield what is not as wheels.toml says that it is."""
        if self.verdict != wheel.verdict:
            yield f"the verdict is {self.verdict}, the true one {wheel.verdict}"
        if self.floor != wheel.floor:
            yield f"the floor is {floor_in_words(self.floor)}, the true one {floor_in_words(wheel.floor)}"


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """What auditwheel says of a wheel."""

    answer: str  # the tag that it finds the contents consistent with, or what else came out
    keeps_the_tag: bool | None  # None where it does not say, or the file name promises no manylinux or musllinux


def judge(wheel: Wheel) -> Judgement:
    """Run glibc-guard as a user does; raises SystemExit where it gives no report."""
    command = [sys.executable, "-m", "glibc_guard", "check", "--format", "json", str(wheel.path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=wheel.path.parent)
    if not done.stdout:
        raise SystemExit(f"{wheel.file}: no report: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    artifacts = report["artifacts"]
    floors = [artifact["floor"] for artifact in artifacts if artifact["path"] == str(wheel.path)]
    findings = tuple(finding for artifact in artifacts for finding in artifact["findings"])
    return Judgement(report["verdict"], floors[0] if floors else {}, findings)


def second_opinion(wheel: Wheel) -> SecondOpinion:
    """Ask auditwheel, once a wheel: its answer is kept."""
    kept = CACHE / AUDITWHEEL / f"{wheel.sha256}.json"
    if not kept.is_file():
        command = [sys.executable, "-m", "auditwheel", "show", "--json", "--allow-pure-python-wheel", str(wheel.path)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        complaint = done.stderr.strip().rpartition("\n")[2]
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(done.stdout or json.dumps({"failed": complaint}), encoding="utf-8")
    answer = json.loads(kept.read_text(encoding="utf-8"))
    if "failed" in answer:
        return SecondOpinion(f"fails: {answer['failed']}", None)
    tag = answer.get("overall_tag")
    if tag is None:
        return SecondOpinion("pure Python", None)
    return SecondOpinion(f"`{tag}`", _keeps(wheel, tag))


def _keeps(wheel: Wheel, tag: str) -> bool | None:
    """Whether every profile that the file name promises is ``tag`` or a later one."""
    platforms = wheel.file.removesuffix(".whl").rpartition("-")[2].split(".")
    promised = [found for platform in platforms if (found := _release(platform)) is not None]
    kept = _release(tag)
    if not promised:
        return None
    return kept is not None and all(_within(one, kept) for one in promised)


def _within(promised: tuple[str, str, int, int], kept: tuple[str, str, int, int]) -> bool:
    return promised[:2] == kept[:2] and promised[2:] >= kept[2:]


def _release(platform: str) -> tuple[str, str, int, int] | None:
    """Return family, architecture and release of a platform tag: manylinux2014_x86_64 is (manylinux, x86_64, 2, 17)."""
    try:
        profile = manylinux.from_tag(platform)
    except TargetError:
        return None
    family, major, minor = profile.name.split("_")
    return family, profile.architecture, int(major), int(minor)


def floor_in_words(floor: dict[str, str]) -> str:
    """Write a floor in one line, glibc first."""
    names = sorted(floor, key=lambda name: (name != "GLIBC", name))
    return ", ".join(f"{name} {floor[name]}" for name in names) or "-"


def row(wheel: Wheel, ours: Judgement, theirs: SecondOpinion) -> str:
    """Return the row of one wheel."""
    keeps = {True: ", the tag is kept", False: ", the tag is **not kept**", None: ""}[theirs.keeps_the_tag]
    verdict = ours.verdict if ours.verdict == "pass" else f"**{ours.verdict}**"
    wrong = "; ".join(ours.differences(wheel))
    return f"| `{wheel.file}` | {verdict} | {floor_in_words(ours.floor)} | {theirs.answer}{keeps} | {wrong or 'yes'} |"


def remarks(wheel: Wheel, ours: Judgement, theirs: SecondOpinion) -> Iterator[str]:
    """Yield what there is to say of a wheel with findings, or of which the two tools do not say the same."""
    agree = theirs.keeps_the_tag is None or theirs.keeps_the_tag == (ours.verdict == "pass")
    if not ours.findings and agree and not wheel.remark:
        return
    yield f"### {wheel.file}\n"
    yield f"{wheel.remark or '**Not looked at yet.**'}\n"
    counts = Counter((finding["severity"], finding["rule"]) for finding in ours.findings)
    for (severity, rule), count in counts.items():
        examples = [finding for finding in ours.findings if finding["rule"] == rule and finding["severity"] == severity]
        yield f"- {severity} `{rule}`, {count} in all:"
        for finding in examples[:SHOWN]:
            yield f"  - `{finding['object'] or 'the wheel'}`: {in_words(finding['message'])}"
    yield ""


def in_words(message: str) -> str:
    """Return a message of the JSON report with each name of C++ or Rust spelled out, as code: it is full of markup."""
    return WORD.sub(lambda found: markdown_code(spelled(found[0])), message)


def page(answers: Sequence[tuple[Wheel, Judgement, SecondOpinion]]) -> str:
    """Return the generated part of the page."""
    verdicts = Counter(ours.verdict for _, ours, _ in answers)
    wrong = sum(any(ours.differences(wheel)) for wheel, ours, _ in answers)
    lines = [
        f"{len(answers)} wheels: " + ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()) + ". "
        f"Verdict or floor not the true one: {wrong}.",
        "",
        f"| wheel | verdict | floor | {AUDITWHEEL} `show` | true? |",
        "|---|---|---|---|---|",
        *(row(*answer) for answer in answers),
        "",
        "## Findings and differences",
        "",
        *(line for answer in answers for line in remarks(*answer)),
    ]
    return "\n".join(lines)


def main() -> int:
    """Look at every wheel, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    options = parser.parse_args()
    answers = []
    for wheel in listed():
        fetch(wheel)
        answers.append((wheel, judge(wheel), second_opinion(wheel)))
        print(row(*answers[-1]), flush=True)
    text = page(answers)
    print(text.partition("## Findings")[2])
    if options.write:
        replace_between_markers(PAGE, text)
    return 1 if any(any(ours.differences(wheel)) for wheel, ours, _ in answers) else 0


if __name__ == "__main__":
    sys.exit(main())
