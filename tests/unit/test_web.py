"""HTTPS and proxies, with a certificate and a proxy of the test's own."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.file_server import serving
from building import library, make_wheel
from glibc_guard.artifacts import ArtifactError, Limits
from glibc_guard.artifacts.remote import RemoteFile
from glibc_guard.guard import check
from glibc_guard.settings import Settings
from glibc_guard.web import Patience, Web, WebError
from provisions import needed

PATIENT = Patience(timeout=30, pauses=())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1, with its key in the same file."""
    openssl = needed("openssl", "apt-get install openssl")
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-keyout", str(path), "-out", f"{path}.crt"]
    command += ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    subprocess.run(command, check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("trusted")
def test_a_wheel_by_https(tmp_path: Path, tls: ssl.SSLContext) -> None:
    make_wheel(tmp_path, {"m.so": library("reallocarray(0, 1, 2)", glibc="2.26")}, name="one")
    (wheel,) = tmp_path.glob("*.whl")
    with serving(tmp_path, tls=tls) as served:
        report = check([f"{served.address}/{wheel.name}"], Settings())
    assert report.verdict == "fail"
    assert report.artifacts[0].floor == {"GLIBC": "2.26"}


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path, tls: ssl.SSLContext) -> None:
    (tmp_path / "x").write_bytes(b"x")
    with (
        serving(tmp_path, tls=tls) as served,
        pytest.raises(ArtifactError, match="its certificate is not to be trusted: self-signed certificate"),
    ):
        RemoteFile(f"{served.address}/x", Limits(), PATIENT)
    assert served.ranges == []


@contextmanager
def proxying() -> Iterator[tuple[str, list[str]]]:
    """A proxy that connects (CONNECT), and what it was asked."""
    asked: list[str] = []

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            head = client.recv(65536).decode()
            asked.append(head)
            host, _, port = head.split(" ")[1].rpartition(":")
            server = socket.create_connection((host, int(port)))
            client.sendall(b"HTTP/1.1 200 x\r\n\r\n")
            for pair in ((client, server), (server, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", asked


@pytest.mark.usefixtures("trusted")
def test_a_proxy_gets_its_own_password_and_sees_no_path(tmp_path: Path, tls: ssl.SSLContext) -> None:
    (tmp_path / "x").write_bytes(b"content")
    with serving(tmp_path, tls=tls) as served, proxying() as (place, asked):
        web = Web(PATIENT, {"https": f"http://me:p%40ss@{place}"})
        found = web.get(f"{served.address}/x?signature=hidden", {}, lambda answer: answer.body(100))
        web.close()
    assert found == b"content"
    (head,) = asked
    assert head.startswith(f"CONNECT {served.address.removeprefix('https://')} HTTP/1")
    assert "Proxy-Authorization: Basic bWU6cEBzcw==" in head  # me:p@ss
    assert "hidden" not in head


@pytest.mark.usefixtures("trusted")
def test_a_proxy_that_does_not_answer_is_named_without_its_password(tmp_path: Path, tls: ssl.SSLContext) -> None:
    with serving(tmp_path, tls=tls) as served:
        web = Web(PATIENT, {"https": "http://me:secret@127.0.0.1:9"})
        with pytest.raises(WebError, match="Connection refused") as caught:
            web.get(f"{served.address}/x", {}, lambda answer: answer.body(100))
    assert "secret" not in str(caught.value)


@pytest.mark.usefixtures("trusted")
def test_https_leads_to_https_alone(tmp_path: Path, tls: ssl.SSLContext) -> None:
    (tmp_path / "x").write_bytes(b"content")
    with serving(tmp_path) as plain, serving(tmp_path, tls=tls) as served:
        served.redirects["/x"] = f"{plain.address}/x?signature=hidden"
        with pytest.raises(WebError, match=r"leads to http://127\.0\.0\.1:\d+/x, which is not https$"):
            Web(PATIENT, {}).get(f"{served.address}/x", {}, lambda answer: answer.body(100))
        assert plain.ranges == []
