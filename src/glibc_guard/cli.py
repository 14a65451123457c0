"""The command line: arguments in, exit status out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import click
from msgspec.structs import replace

from glibc_guard import __version__
from glibc_guard.config import load, repository_root
from glibc_guard.guard import (
    EXIT_CLEAN,
    EXIT_UNREADABLE,
    EXIT_USAGE,
    UsageError,
    check,
    diff,
    exit_status,
    hurry,
    status_of,
)
from glibc_guard.interruption import ending_on_signals
from glibc_guard.limits import Limits, limited
from glibc_guard.model import Report
from glibc_guard.output import (
    FORMATS,
    FORMATS_WITHOUT_FINDINGS,
    OutputError,
    destinations,
    refuse_overwriting,
    render,
    render_fixes,
    render_page,
    write,
)
from glibc_guard.progress import progress_bar
from glibc_guard.report.neutral import plain
from glibc_guard.settings import (
    FAIL_ON,
    ConfigError,
    FailOn,
    Settings,
    limit_name,
    member_glob,
    size_glob,
    toolchain_text,
)
from glibc_guard.sharding import ShardError, listed, shard_of
from glibc_guard.sizes import size_in_bytes
from glibc_guard.targets.errors import TargetError
from glibc_guard.targets.glibc import ARCHITECTURES
from glibc_guard.urls import page

SAMPLE: Final = "sample"  # the folder in data/ that `demo` checks

Command = TypeVar("Command", bound=Callable[..., object])

PATHS = click.argument("paths", nargs=-1, required=True, type=click.Path(), metavar="PATH...")
NO_COLOR = click.option("--no-color", is_flag=True, help="Plain text; so does the environment variable NO_COLOR.")
JOBS = click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Threads; by default one a processor.")
LIMIT = click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=NUMBER",
    help="A bound on what an artifact may ask of this machine, as its error names it. Repeat; "
    f"see {page('security.md')}.",
)
FORMAT = click.option(
    "--format", "formats", multiple=True, type=click.Choice(FORMATS), help="Repeat, with --output, for several reports."
)
OUTPUT = click.option(
    "--output",
    "outputs",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    help="Where the report of the first, second, … --format goes; - is standard output.",
)
CONFIG = click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="By default the nearest file upward."
)


def _complete(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    """Complete the name of a target in a shell."""
    from glibc_guard.targets.resolution import all_names  # noqa: PLC0415  # lazy: only a shell asks

    return [name for name in all_names() if name.startswith(begun)]


def _target_option(help_text: str) -> Callable[[Command], Command]:
    return click.option("--target", "targets", multiple=True, shell_complete=_complete, metavar="NAME", help=help_text)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="glibc-guard", message="%(prog)s %(version)s")
def cli() -> None:
    """Stops a release whose native code will not load where it was promised to.

    Exit status: 0 clean, 1 findings, 2 wrong usage or configuration, 3 something could not be read.
    """


@cli.command("check")
@click.argument("paths", nargs=-1, type=click.Path(), metavar="PATH...")
@click.option(
    "--paths-from",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    help="A file with further paths and URLs, one a line; - is standard input. Repeat.",
)
@click.option(
    "--shard",
    metavar="INDEX/COUNT",
    help="Judge a part of the paths: 3/8 is every 8th of the sorted ones, from the 3rd on. See `merge`.",
)
@_target_option(
    "auto (what the wheel's tag promises), a glibc release (2.17), a profile (manylinux2014, musllinux_1_2) or a "
    "distribution (rhel8, ubuntu20.04). Repeat: every target must hold."
)
@FORMAT
@OUTPUT
@click.option(
    "--fail-on", type=click.Choice(FAIL_ON), help="The mildest findings that fail the check (default: error)."
)
@click.option("--allow-empty", is_flag=True, help="Pass where no native code is found.")
@click.option(
    "--baseline",
    type=click.Path(),
    metavar="OLD",
    help="Compare with a former artifact or folder of them, a JSON report, or pypi:NAME[==VERSION].",
)
@click.option("--baseline-required", is_flag=True, help="Where nothing can be compared, exit 3 instead of a note.")
@click.option("--together", is_flag=True, help="Judge all paths as one process: conflicts between packages.")
@click.option(
    "--require",
    multiple=True,
    metavar="GLOB",
    help="A member that each wheel, archive and folder must hold: pkg/_core*.so. Repeat; adds to the configuration.",
)
@click.option(
    "--forbid",
    multiple=True,
    metavar="GLOB",
    help="A member, or a folder, that none may hold: pkg/pkg, **/*.a. Repeat; adds to the configuration.",
)
@click.option(
    "--max-size",
    "max_sizes",
    multiple=True,
    metavar="GLOB=SIZE",
    help="How large a member may be, or the artifact: **/*.so=60MB, *.whl=100MiB. Repeat; adds to the configuration.",
)
@click.option(
    "--expect-toolchain",
    multiple=True,
    metavar="TEXT",
    help="A part of the compiler notes that each object built here carries: 'Red Hat *'. Repeat: one of them.",
)
@click.option("--no-explain", is_flag=True, help="Do not look for the functions and lines that use a symbol.")
@click.option(
    "--debug-dir",
    "debug_dirs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder with split debug files, for source lines. Repeat; adds to the configuration.",
)
@click.option(
    "--path-prefix",
    "path_prefixes",
    multiple=True,
    metavar="FROM=TO",
    help="Source files of a build in FROM lie in the folder TO of the repository. Repeat; adds to the configuration.",
)
@LIMIT
@JOBS
@CONFIG
@click.option("-q", "--quiet", is_flag=True, help="Print nothing of what passes.")
@NO_COLOR
def check_command(  # noqa: PLR0913  # one parameter an option
    *,
    paths: tuple[str, ...],
    paths_from: tuple[str, ...],
    shard: str | None,
    targets: tuple[str, ...],
    formats: tuple[str, ...],
    outputs: tuple[str, ...],
    fail_on: FailOn | None,
    allow_empty: bool,
    baseline: str | None,
    baseline_required: bool,
    together: bool,
    require: tuple[str, ...],
    forbid: tuple[str, ...],
    max_sizes: tuple[str, ...],
    expect_toolchain: tuple[str, ...],
    no_explain: bool,
    debug_dirs: tuple[Path, ...],
    path_prefixes: tuple[str, ...],
    limits: tuple[str, ...],
    jobs: int | None,
    config: Path | None,
    quiet: bool,
    no_color: bool,
) -> None:
    """Judge wheels, archives, packages, folders and ELF files; the gate.

    PATH may be a URL, like https://HOST/x.whl, of which no more is fetched than has to be read.
    """
    with _exit_status_for_errors():
        paths = (*paths, *(path for file in paths_from for path in listed(file)))
        folder = _working_folder()
        wanted = destinations(formats, outputs)
        settings = load(config, folder)
        compared = baseline if baseline is not None else settings.baseline
        read = (*paths, *([str(config)] if config else []), *([compared] if compared else []))
        refuse_overwriting(read, _files(wanted), folder)
        settings = replace(
            settings,
            targets=_target_names(targets) or settings.targets,
            fail_on=fail_on or settings.fail_on,
            allow_empty=allow_empty or settings.allow_empty,
            baseline=compared,
            baseline_required=baseline_required or settings.baseline_required,
            together=together or settings.together,
            limits=_bounds(limits, settings.limits),
            jobs=jobs or settings.jobs,
            shard=None if shard is None else shard_of(shard),
            require=(*settings.require, *_each("--require", require, member_glob)),
            forbid=(*settings.forbid, *_each("--forbid", forbid, member_glob)),
            max_size=tuple({**dict(settings.max_size), **dict(map(_limit, max_sizes))}.items()),
            expect_toolchain=(
                *settings.expect_toolchain,
                *_each("--expect-toolchain", expect_toolchain, toolchain_text),
            ),
            digests=bool(shard or compared) or any(form == "json" for form, _ in wanted),
            explain=settings.explain and not no_explain,
            debug_dirs=(*settings.debug_dirs, *map(_folder, debug_dirs)),
            path_prefixes=(*map(_prefix, path_prefixes), *settings.path_prefixes),
            repository=repository_root(folder, settings, os.environ.get("GITHUB_WORKSPACE")),
        )
        report = _checked(paths, settings, quiet=quiet)
        status = exit_status(report, settings.fail_on)
        for name, path in wanted:
            if path is not None or not quiet or status != EXIT_CLEAN:
                brief = quiet and path is None
                write(render(report, name, color=_color(no_color), width=_width(), quiet=brief), path)
    sys.exit(status)


@cli.command()
@PATHS
@LIMIT
@JOBS
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text")
@NO_COLOR
def show(*, paths: tuple[str, ...], limits: tuple[str, ...], jobs: int | None, form: str, no_color: bool) -> None:
    """Tell what each artifact needs and where it runs; findings do not fail it."""
    with _exit_status_for_errors():
        report = _checked(
            paths, Settings(jobs=jobs, allow_empty=True, explain=False, limits=_bounds(limits, Limits())), quiet=False
        )
        name = "needs" if form == "text" else form
        write(render(report, name, color=_color(no_color), width=_width()), None)
    sys.exit(EXIT_UNREADABLE if report.verdict == "unreadable" else EXIT_CLEAN)


@cli.command("list")
@click.argument("sources", nargs=-1, required=True, type=click.Path(), metavar="SOURCE...")
@click.option(
    "--match",
    multiple=True,
    metavar="GLOB",
    help="File names to take from folders, indexes and releases (default: *linux*.whl). Repeat.",
)
@click.option("--output", type=click.Path(), metavar="FILE", help="Where the list goes; by default standard output.")
def list_command(*, sources: tuple[str, ...], match: tuple[str, ...], output: str | None) -> None:
    """List the artifacts of folders, indexes and releases, one a line, for `check --paths-from`.

    SOURCE is a folder; a page of a simple index, https://HOST/simple/NAME/; or release:OWNER/NAME@TAG on GitHub, for
    which the variables GITHUB_TOKEN and GITHUB_API_URL are taken. Files and URLs of files stand for themselves.
    """
    with _exit_status_for_errors():
        from glibc_guard.listing import DEFAULT_MATCH, GitHub, ListingError, listing  # noqa: PLC0415  # lazy: one command

        wanted = destinations((), [output] if output is not None else [])
        github = GitHub(os.environ.get("GITHUB_API_URL") or GitHub().api, os.environ.get("GITHUB_TOKEN", ""))
        try:
            found = listing(sources, match or DEFAULT_MATCH, github)
        except ListingError as error:
            _fail(error, EXIT_UNREADABLE)
        write("".join(f"{path}\n" for path in found.artifacts).encode("utf-8", "surrogateescape"), wanted[0][1])
        click.echo(f"artifacts listed: {len(found.artifacts):,}, other files left out: {found.left_out:,}", err=True)
    sys.exit(EXIT_CLEAN)


@cli.command("merge")
@click.argument("reports", nargs=-1, required=True, metavar="REPORT.json...", type=click.Path(path_type=Path))
@FORMAT
@OUTPUT
@NO_COLOR
def merge_command(
    *, reports: tuple[Path, ...], formats: tuple[str, ...], outputs: tuple[str, ...], no_color: bool
) -> None:
    """Join JSON reports, of shards above all, into one; the exit status is that of a check of all.

    JSON is written in the memory that the largest report takes; the other formats need all of them in memory.
    """
    with _exit_status_for_errors():
        from glibc_guard.merging import MergeError, merge, merged  # noqa: PLC0415  # lazy: one command

        wanted = destinations(formats, outputs)
        refuse_overwriting([*map(str, reports)], _files(wanted), _working_folder())
        try:
            if [name for name, _ in wanted] == ["json"]:
                verdict = merge(reports, wanted[0][1]).verdict
            else:
                report = merged(reports)
                verdict = report.verdict
                _write_all(report, wanted, no_color=no_color)
        except MergeError as error:
            _fail(error, EXIT_UNREADABLE)
    sys.exit(status_of(verdict))


@cli.command("diff")
@click.argument("old", type=click.Path())
@click.argument("new", type=click.Path())
@click.option(
    "--format", "formats", multiple=True, type=click.Choice(FORMATS_WITHOUT_FINDINGS), help="Repeat, as for `check`."
)
@OUTPUT
@LIMIT
@JOBS
@NO_COLOR
def diff_command(  # noqa: PLR0913  # one parameter an option
    *,
    old: str,
    new: str,
    formats: tuple[str, ...],
    outputs: tuple[str, ...],
    limits: tuple[str, ...],
    jobs: int | None,
    no_color: bool,
) -> None:
    """Tell what changed from OLD to NEW, which are artifacts or JSON reports; OLD may be pypi:NAME[==VERSION] too."""
    with _exit_status_for_errors():
        wanted = destinations(formats, outputs)
        refuse_overwriting([old, new], _files(wanted), _working_folder())
        with progress_bar(visible=sys.stderr.isatty()) as progress:
            report = diff(old, new, jobs=jobs, limits=_bounds(limits, Limits()), progress=progress)
        for name, path in wanted:
            form = name if name == "json" else f"{name} of changes"
            write(render(report, form, color=_color(no_color), width=_width()), path)
    sys.exit(EXIT_UNREADABLE if report.verdict == "unreadable" else EXIT_CLEAN)


@cli.command(
    "fix",
    help=f"""Repair a copy of a wheel, zip archive, folder or ELF file, where that is provably safe, and check it again.

    Taken out are needs for symbol versions that are only asked for by weak symbols. All else is refused, with its
    reason: see {page("fixing.md")}.

    Exit status: 0 nothing is left that fails the check, 1 something is, 2 wrong usage, 3 something could not be read,
    or the copy does not pass as it must.
    """,
)
@click.argument("path", type=click.Path())
@click.option(
    "-o",
    "--out",
    type=click.Path(),
    metavar="OUT",
    help="Where the copy goes: a folder (fixed/), or a file. PATH itself is never written.",
)
@_target_option("As of check: what cannot be met is repaired.")
@click.option(
    "--clear-executable-stack",
    is_flag=True,
    help="Take back the wish for an executable stack too, where no code on the stack is found to be made.",
)
@click.option("--dry-run", is_flag=True, help="Tell what would be done, and write nothing.")
@LIMIT
@CONFIG
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text")
@NO_COLOR
def fix_command(  # noqa: PLR0913  # one parameter an option
    *,
    path: str,
    out: str | None,
    targets: tuple[str, ...],
    clear_executable_stack: bool,
    dry_run: bool,
    limits: tuple[str, ...],
    config: Path | None,
    form: str,
    no_color: bool,
) -> None:
    """Repair a copy; what it says of itself stands above, since it names a page."""
    from glibc_guard.fixing import NotFixedError, Request, fix, fix_status  # noqa: PLC0415  # lazy, rarely wanted

    with _exit_status_for_errors():
        settings = load(config, _working_folder())
        wanted = _target_names(targets) or settings.targets
        chosen = replace(settings, targets=wanted, limits=_bounds(limits, settings.limits))
        request = Request(path, out, clear_executable_stack=clear_executable_stack, dry_run=dry_run)
        try:
            with progress_bar(visible=sys.stderr.isatty()) as progress:
                report = fix(request, chosen, progress=progress)
        except NotFixedError as error:
            _fail(error, EXIT_UNREADABLE)
        write(render_fixes(report, form, color=_color(no_color), width=_width()), None)
    sys.exit(fix_status(report))


@cli.command("explain")
@click.argument("symbol", metavar="SYMBOL[@VERSION]")
@click.option(
    "--arch",
    "architectures",
    multiple=True,
    type=click.Choice(ARCHITECTURES),
    help="An architecture to tell of. Repeat; remedies are for the first one. By default all, and x86_64 first.",
)
@_target_option("A system to tell of, and to aim at; see `check`. Repeat.")
@click.option("--format", "form", type=click.Choice(FORMATS_WITHOUT_FINDINGS), default="text")
@NO_COLOR
def explain_command(
    *, symbol: str, architectures: tuple[str, ...], targets: tuple[str, ...], form: str, no_color: bool
) -> None:
    """Tell what a symbol or a version is, since when, on which architectures, and how to avoid it."""
    with _exit_status_for_errors():
        from glibc_guard.explain.symbol_page import UnknownSymbolError, symbol_page  # noqa: PLC0415  # lazy: one command
        from glibc_guard.targets.resolution import resolve  # noqa: PLC0415  # lazy, likewise

        asked = tuple(dict.fromkeys(architectures)) or ARCHITECTURES
        judged = resolve(_target_names(targets) or ("auto",), None, asked[:1]).targets
        if all(target.libc == "musl" for target in judged):
            raise UsageError("musl has no symbol versions: name a target with glibc")
        try:
            found = symbol_page(symbol, asked, judged)
        except UnknownSymbolError as error:
            raise UsageError(str(error)) from error
        write(render_page(found, form, color=_color(no_color), width=_width()), None)
    sys.exit(EXIT_CLEAN)


@cli.command()
@FORMAT
@OUTPUT
@NO_COLOR
def demo(*, formats: tuple[str, ...], outputs: tuple[str, ...], no_color: bool) -> None:
    """Check a small sample that ships with this package: two objects that glibc 2.17 refuses."""
    from importlib import resources  # noqa: PLC0415  # lazy, costs 4 ms

    with _exit_status_for_errors(), resources.as_file(resources.files("glibc_guard") / "data" / SAMPLE) as folder:
        wanted = destinations(formats, outputs)
        report = check([str(folder)], Settings(targets=("manylinux2014",)))
        _write_all(report, wanted, no_color=no_color)
    sys.exit(exit_status(report, "error"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; never returns."""
    try:
        cli(args=arguments, prog_name="glibc-guard")
    except OSError as error:
        if error.filename is not None:
            raise
        # click writes --help and --version itself; what is left of them would fail once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        click.echo(f"Error: standard output: cannot be written: {error.strerror}", err=True)
        sys.exit(EXIT_USAGE)


def _files(wanted: Sequence[tuple[str, Path | None]]) -> list[Path]:
    return [path for _, path in wanted if path is not None]


def _target_names(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.strip() for text in given for name in text.split(","))


def _each(option: str, texts: Sequence[str], accepted: Callable[[str], str]) -> Sequence[str]:
    if not all(text.strip() for text in texts):
        raise UsageError(f"{option} is empty: is a variable not set?")
    try:
        return [accepted(text) for text in texts]
    except ConfigError as error:
        raise UsageError(f"{option}: {error}") from error


def _bounds(texts: Sequence[str], limits: Limits) -> Limits:
    given = {}
    for text in texts:
        name, _, value = text.partition("=")
        if not value:
            raise UsageError(f"--limit {text}: write NAME=NUMBER, like nested-archive-bytes=2GiB")
        try:
            given[_each("--limit", [name.strip()], limit_name)[0]] = size_in_bytes(value)
        except ValueError as error:
            raise UsageError(f"--limit {text}: {error}") from error
    return limited(given, limits)


def _limit(text: str) -> tuple[str, int]:
    glob, _, size = text.rpartition("=")
    if not glob:
        raise UsageError(f'--max-size {text}: write GLOB=SIZE, like "**/*.so=60MB"')
    try:
        return _each("--max-size", [glob], size_glob)[0], size_in_bytes(size)
    except ValueError as error:
        raise UsageError(f"--max-size: {error}") from error


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise UsageError(f"--debug-dir {path}: no such folder")
    return path


def _prefix(text: str) -> tuple[str, str]:
    before, separator, after = text.partition("=")
    if not before or not separator:
        raise UsageError(f'--path-prefix {text}: write FROM=TO, like "/build/src=src"; TO may be empty')
    return before, after


def _checked(paths: Sequence[str], settings: Settings, *, quiet: bool) -> Report:
    hurry()
    with progress_bar(visible=sys.stderr.isatty() and not quiet) as progress:
        return check(paths, settings, progress=progress)


@contextmanager
def _exit_status_for_errors() -> Iterator[None]:
    try:
        with ending_on_signals():
            yield
    except (UsageError, ConfigError, TargetError, OutputError, ShardError) as error:
        _fail(error, EXIT_USAGE)
    except Exception as error:
        if os.environ.get("GLIBC_GUARD_DEBUG"):
            raise
        _fail(f"a fault of its own, please report this with GLIBC_GUARD_DEBUG=1 set: {error!r}", EXIT_UNREADABLE)


def _fail(reason: object, status: int) -> NoReturn:
    click.echo(f"glibc-guard: {plain(str(reason))}", err=True)
    sys.exit(status)


def _write_all(report: Report, wanted: Sequence[tuple[str, Path | None]], *, no_color: bool) -> None:
    for name, path in wanted:
        write(render(report, name, color=_color(no_color), width=_width()), path)


def _working_folder() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError("the working folder does not exist any more: change to another one") from error


def _color(no_color: bool) -> bool:  # noqa: FBT001  # click passes flags by name
    return _is_terminal() and not no_color and not os.environ.get("NO_COLOR")


def _width() -> int | None:
    if not _is_terminal():
        return None
    import shutil  # noqa: PLC0415  # lazy, costs 3 ms

    return shutil.get_terminal_size().columns


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()
