from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec.structs import replace

from bench.file_server import Served, serving
from building import library, make_wheel
from glibc_guard.artifacts import ArtifactError, Fetched, Limits
from glibc_guard.artifacts.remote import BLOCK, RemoteFile
from glibc_guard.guard import UsageError, check
from glibc_guard.model import ArtifactReport
from glibc_guard.settings import Settings
from glibc_guard.web import Patience

PATIENT = Patience(timeout=30, pauses=(0.0,), longest_pause=0.0)
HURRIED = replace(PATIENT, timeout=0.5)  # where the server is to be too slow
NEW = library("reallocarray(0, 1, 2)", glibc="2.26")
NOISE = random.Random(1).randbytes(3_000_000)  # what no compression makes smaller  # noqa: S311


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel of which most is no native code."""
    (tmp_path / "served").mkdir()
    data = {f"pkg/data{number}.bin": NOISE for number in range(4)}
    return make_wheel(tmp_path / "served", {"pkg/m.so": NEW, **data, "pkg/__init__.py": b""})


def judged(path: str, settings: Settings | None = None) -> ArtifactReport:
    (report,) = check([path], settings or Settings()).artifacts
    return report


def without_place(report: ArtifactReport) -> ArtifactReport:
    return replace(report, path="", sha256=None, notes=())


@pytest.mark.parametrize("ranges", [True, False])
def test_the_verdict_is_that_of_the_file(wheel: Path, *, ranges: bool) -> None:
    with serving(wheel.parent, ranges=ranges) as served:
        remote = judged(f"{served.address}/{wheel.name}?token=secret#sha256={sha256(wheel.read_bytes()).hexdigest()}")
    local = judged(str(wheel))
    assert remote.verdict == "fail"
    assert remote.path == f"{served.address}/{wheel.name}"
    assert without_place(remote) == without_place(local)
    assert remote.sha256 == (None if ranges else local.sha256)


def test_only_what_is_read_is_fetched(wheel: Path) -> None:
    with serving(wheel.parent) as served:
        report = judged(f"{served.address}/{wheel.name}", Settings(explain=False))
        assert served.bytes < 0.1 * wheel.stat().st_size
    assert len(served.ranges) < 10
    assert report.notes[-1].startswith(
        f"{served.bytes:,} of {wheel.stat().st_size:,} bytes were fetched to judge it, in"
    )
    assert report.notes[-1].endswith("the SHA-256 of the whole file is not known")


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("baseline", [True, False])
def test_what_fails_is_fetched_once(wheel: Path, tmp_path: Path, *, ranges: bool, baseline: bool) -> None:
    """Explaining reads an object a second time, from what was kept of it."""
    settings = Settings(baseline=str(make_wheel(tmp_path, {"pkg/m.so": NEW})) if baseline else None)
    with serving(wheel.parent, ranges=ranges) as served:
        places = [f"{served.address}/{wheel.name}?{number}" for number in range(2)]
        check(places, replace(settings, explain=False))
        asked, sent = len(served.ranges), served.bytes
        report = check(places, settings)
        assert (len(served.ranges), served.bytes) == (2 * asked, 2 * sent)
    assert all(any(finding.sites for finding in artifact.findings) for artifact in report.artifacts)
    assert all(f"{sent // 2:,} of" in " ".join(artifact.notes) for artifact in report.artifacts)


def test_of_several_files_no_more_is_kept_than_that(tmp_path: Path) -> None:
    """With a baseline all artifacts are read before the first of them is explained."""
    (tmp_path / "noise").write_bytes(NOISE)
    with serving(tmp_path) as served, Fetched(2 * BLOCK) as fetched:
        for number in range(3):
            url = f"{served.address}/noise?{number}"
            fetched.keep(url, RemoteFile(url, Limits()))
        kept = [fetched.take(f"{served.address}/noise?{number}") for number in range(3)]
        assert [file is not None for file in kept] == [True, True, False]
        assert fetched.take(f"{served.address}/noise?0") is None  # it is the caller's now
        large = kept[0] or kept[1]
        assert large is not None
        large.read_at(0, len(NOISE))
        fetched.keep(large.url, large)  # the first is kept in any case
        assert fetched.take(large.url) is large
        for file in kept:
            if file is not None:
                file.close()


@pytest.mark.parametrize("name", ["object.so", "a.tar.gz", "a.zip"])
def test_other_kinds_of_artifacts(tmp_path: Path, name: str) -> None:
    import io  # noqa: PLC0415
    import tarfile  # noqa: PLC0415
    import zipfile  # noqa: PLC0415

    path = tmp_path / name
    if name == "object.so":
        path.write_bytes(NEW)
    elif name == "a.zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("m.so", NEW)
            archive.writestr("noise", NOISE)
    else:
        with tarfile.open(path, "w:gz") as tar:
            for member, data in (("m.so", NEW), ("noise", NOISE)):
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    settings = Settings(targets=("2.17",))
    with serving(tmp_path) as served:
        remote = judged(f"{served.address}/{name}", settings)
    local = judged(str(path), settings)
    assert remote.verdict == "fail"
    assert [(one.symbol, one.version) for one in remote.findings] == [(o.symbol, o.version) for o in local.findings]
    assert remote.kind == local.kind


def test_a_name_with_escapes(wheel: Path) -> None:
    escaped = wheel.name.replace("manylinux", "%6danylinux")
    with serving(wheel.parent) as served:
        report = judged(f"{served.address}/{escaped}")
    assert report.kind == "wheel"
    assert report.targets[0].name == "manylinux_2_17_x86_64"


def test_reading_at_random_gives_the_bytes_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(NOISE)
    chance = random.Random(2)  # noqa: S311
    with serving(tmp_path) as served:
        file = RemoteFile(f"{served.address}/noise", Limits())
        assert file.size == len(NOISE)
        file.prefetch([(10, 20), (2_999_990, 100), (-1, 5), (9_000_000, 5)])
        for _ in range(50):
            offset, size = chance.randrange(len(NOISE) + 10), chance.randrange(300_000)
            assert file.read_at(offset, size) == NOISE[offset : offset + size]
        file.read_at(0, len(NOISE))
        assert file.digest() == sha256(NOISE).hexdigest()
        assert file.fetched == len(NOISE)  # nothing twice
        file.close()


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "x.whl").write_bytes(b"")
    with serving(tmp_path) as served:
        report = judged(f"{served.address}/x.whl")
    assert report.verdict == "unreadable"


def test_a_digest_that_is_not_that_of_the_file(wheel: Path) -> None:
    with serving(wheel.parent, ranges=False) as served:
        report = judged(f"{served.address}/{wheel.name}#sha256={'0' * 64}")
    assert report.verdict == "unreadable"
    assert "and the URL says 0000" in report.findings[0].message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        report = judged(f"{served.address}/x.whl?signature=secret")
    assert report.verdict == "unreadable"
    (finding,) = report.findings
    assert finding.message.endswith(
        f"cannot be fetched: there is no such file (HTTP 404 from {served.address}/x.whl)"
    ), finding.message


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.org/x.whl", "http is not protected on its way: write https"),
        ("https://user:secret@example.org/x.whl", "a URL with a password would be shown in reports"),
        ("https:///x.whl", "no URL that can be read"),
        ("https://example.org/a b.whl", "encode white space"),
        ("https://example.org:port/x.whl", "no URL"),
    ],
)
def test_urls_that_are_never_asked(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        check([url], Settings())
    assert "secret" not in str(caught.value)


# --- servers that lie -----------------------------------------------------------------------------

Answering = Callable[[str, int], bytes]  # of the head of a request and its number


@contextmanager
def answering(answer: Answering, pause: float = 0.0) -> Iterator[Served]:
    """A server that says exactly what ``answer`` returns, and closes; with ``pause`` one byte at a time."""
    stop = threading.Event()
    served = Served("")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served.address = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def serve() -> None:
            while not stop.is_set():
                connection, _ = listener.accept()
                with connection:
                    head = b""
                    while not head.endswith(b"\r\n\r\n") and (piece := connection.recv(65536)):
                        head += piece
                    if not head:
                        continue
                    served.ranges.append(head.decode())
                    try:
                        send(connection, answer(head.decode(), len(served.ranges)))
                    except OSError:
                        continue

        def send(connection: socket.socket, data: bytes) -> None:
            if not pause:
                connection.sendall(data)
                return
            for byte in data:
                if stop.wait(pause):
                    return
                connection.sendall(bytes([byte]))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield served
        finally:
            stop.set()
            socket.create_connection(listener.getsockname()).close()
            thread.join(5)


def message(status: str, body: bytes = b"", **headers: str) -> bytes:
    given = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def part(data: bytes, head: str, etag: str = '"1"') -> bytes:
    """What an honest server answers to a request with this head."""
    start, end = (int(text) for text in head.partition("bytes=")[2].partition("\r")[0].split("-"))
    end = min(end + 1, len(data))
    return message("206 x", data[start:end], Content_Range=f"bytes {start}-{end - 1}/{len(data)}", ETag=etag)


LYING: dict[str, tuple[Answering, str]] = {
    "no HTTP": (lambda *_: b"SSH-2.0-x\r\n", "cannot be fetched"),
    "nothing": (lambda *_: b"", "closed the connection without an answer"),
    "no body": (lambda *_: message("206 x"), "answers a range request with something else"),
    "no range": (lambda *_: message("206 x", bytes(BLOCK)), "answers a range request with something else"),
    "another range": (
        lambda *_: message("206 x", bytes(9), Content_Range="bytes 1-9/1000"),
        "gives another range than the one asked for",
    ),
    "more than asked": (
        lambda *_: message("206 x", bytes(BLOCK * 2), Content_Range=f"bytes 0-{BLOCK * 2 - 1}/{BLOCK * 3}"),
        "answers with more than 65,536 bytes",
    ),
    "a size beyond all": (
        lambda *_: message("206 x", bytes(BLOCK), Content_Range=f"bytes 0-{BLOCK - 1}/{10**18 - 1}"),
        "the limit remote-bytes is",
    ),
    "a range beyond the size": (
        lambda *_: message("206 x", bytes(BLOCK), Content_Range=f"bytes 0-{BLOCK - 1}/9"),
        "answers a range request with something else",
    ),
    "cut off": (
        lambda *_: message("206 x", bytes(9), Content_Range=f"bytes 0-{BLOCK - 1}/99999999", Content_Length="65536"),
        "the answer ends after 9 of 65536 bytes",
    ),
    "compressed": (lambda *_: message("200 x", b"x", Content_Encoding="gzip"), "sends it compressed"),
    "multipart": (
        lambda *_: message("206 x", b"--x", Content_Type="multipart/byteranges; boundary=x"),
        "answers a range request with something else",
    ),
    "endless redirects": (lambda _, n: message("302 x", Location=f"/{n}"), "leads to more than 5 other URLs"),
    "redirect to http": (lambda *_: message("302 x", Location="http://example.org/x.whl"), "http is not protected"),
    "redirect to a file": (lambda *_: message("302 x", Location="file:///etc/passwd"), "no URL that can be read"),
    "redirect with a password": (
        lambda *_: message("302 x", Location="https://user:secret@example.org/"),
        "a URL with a password",
    ),
    "redirect with a line": (lambda *_: message("302 x", Location="/a\x0b\x00"), "no URL"),
    "redirect to no URL": (lambda *_: message("302 x", Location="http://[x"), "leads to what is no URL"),
    "redirect without a place": (lambda *_: message("302 x"), "leads to more than 5 other URLs"),
    "many headers": (lambda *_: b"HTTP/1.1 200 x\r\n" + b"a: b\r\n" * 1000, "got more than 100 headers"),
    "a long header": (lambda *_: b"HTTP/1.1 200 x\r\na: " + b"b" * 10**6, "header line"),
    "endless 100": (lambda *_: b"HTTP/1.1 100 x\r\n\r\n" * 10, "without an answer"),
    "chunks that lie": (
        lambda *_: b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\nx",
        "the answer is cut off",
    ),
    "internal error": (lambda *_: message("500 x"), "the server answers 500"),
    "a hostile reason": (lambda *_: message("403 ::error::x\x1b[31m"), "access is forbidden"),
}


@pytest.mark.parametrize("name", LYING)
def test_a_server_that_lies(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    answer, expected = LYING[name]
    with answering(answer) as served, pytest.raises(ArtifactError, match=expected) as caught:
        RemoteFile(f"{served.address}/x.whl?signature=hidden", Limits(), PATIENT)
    for secret in ("hidden", "secret", "\x1b"):
        assert secret not in str(caught.value)


def test_more_than_the_limit_is_not_fetched() -> None:
    with (
        answering(lambda *_: message("200 x", bytes(3_000_000))) as served,
        pytest.raises(ArtifactError, match="answers with more than 1,000,000 bytes"),
    ):
        RemoteFile(f"{served.address}/x.whl", Limits(remote_bytes=1_000_000), PATIENT)


def test_a_server_that_says_its_answer_byte_by_byte() -> None:
    """A timeout of a socket would begin anew with each byte."""
    start = time.monotonic()
    answer = message("206 x", bytes(BLOCK), Content_Range=f"bytes 0-{BLOCK - 1}/{BLOCK}")
    with (
        answering(lambda *_: answer, pause=0.05) as served,
        pytest.raises(ArtifactError, match="the server does not answer in time"),
    ):
        RemoteFile(f"{served.address}/x.whl", Limits(), HURRIED)
    assert time.monotonic() - start < 60  # all of it would take an hour


def test_a_body_that_comes_byte_by_byte() -> None:
    sent = message("200 x", bytes(BLOCK))
    head, _, body = sent.partition(b"\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    try:
                        connection.sendall(head + b"\r\n\r\n")
                        for byte in body:
                            if stop.wait(0.05):
                                break
                            connection.sendall(bytes([byte]))
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        start = time.monotonic()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x.whl"
        with pytest.raises(ArtifactError, match="the server does not answer in time"):
            RemoteFile(url, Limits(), HURRIED)
        assert time.monotonic() - start < 60  # all of it would take an hour
        stop.set()
        socket.create_connection(listener.getsockname()).close()
        thread.join(5)


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (lambda head: part(NOISE, head, '"2"'), "was changed while it was read"),
        (lambda _: message("200 x", NOISE, ETag='"1"'), "was changed while it was read"),
        (lambda _: message("200 x", NOISE, ETag='"2"'), "was changed while it was read"),
        (lambda head: part(NOISE[:2_000_000], head), "was changed while it was read"),
        (lambda _: message("416 x", Content_Range="bytes */0"), "the server does not give it"),
        (lambda _: message("404 x"), "there is no such file"),
        (
            lambda _: message("206 x", bytes(BLOCK), Content_Range=f"bytes 0-{BLOCK - 1}/{len(NOISE)}", ETag='"1"'),
            "with other bytes than those asked for",
        ),
    ],
)
def test_a_file_that_changes_while_it_is_read(later: Callable[[str], bytes], expected: str) -> None:
    def answer(head: str, number: int) -> bytes:
        return part(NOISE, head) if number == 1 else later(head)

    with answering(answer) as served:
        file = RemoteFile(f"{served.address}/x", Limits(), PATIENT)
        with pytest.raises(ArtifactError, match=expected):
            file.read_at(1_900_000, 100_000)
        file.close()
        assert 'If-Range: "1"' in served.ranges[1]


def test_a_short_fault_is_asked_again() -> None:
    faults = {
        2: message("503 x", Retry_After="99999"),
        4: b'HTTP/1.1 206 x\r\nETag: "1"\r\nContent-Length: 65536\r\n\r\nx',
    }
    with answering(lambda head, number: faults.get(number) or part(NOISE, head)) as served:
        file = RemoteFile(f"{served.address}/x", Limits(), PATIENT)
        assert file.read_at(1_000_000, 10) == NOISE[1_000_000:1_000_010]
        assert file.read_at(2_000_000, 10) == NOISE[2_000_000:2_000_010]
        file.close()
    assert len(served.ranges) == 5


def test_the_place_that_a_url_leads_to_is_asked_directly_until_it_expires() -> None:
    def answer(head: str, number: int) -> bytes:
        if head.startswith("GET /x "):
            return message("302 x", Location=f"/signed?by={number}")
        return message("403 x") if number == 4 else part(NOISE, head)

    with answering(answer) as served:
        file = RemoteFile(f"{served.address}/x", Limits(), PATIENT)
        for offset in (1_000_000, 2_000_000):
            assert file.read_at(offset, 10) == NOISE[offset : offset + 10]
        file.close()
    asked = [head.split(" ")[1] for head in served.ranges]
    assert asked == ["/x", "/signed?by=1", "/signed?by=1", "/signed?by=1", "/x", "/signed?by=5"]


def test_no_request_carries_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n", encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    with answering(lambda head, _: part(NOISE, head)) as served:
        RemoteFile(f"{served.address}/x", Limits(), PATIENT).close()
    assert "secret" not in served.ranges[0]
    assert "Authorization" not in served.ranges[0]
    assert "Cookie" not in served.ranges[0]
