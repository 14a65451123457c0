from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from glibc_guard.listing import DEFAULT_MATCH, GitHub, ListingError, listing
from glibc_guard.sharding import listed
from glibc_guard.web import Patience, Web

JSON = "application/vnd.pypi.simple.v1+json"
DIGEST = "a" * 64
WHEEL = "pkg-1.0-cp312-cp312-manylinux2014_x86_64.whl"


class Store:
    """Pages by path: type and text; and the requests that came."""

    def __init__(self) -> None:
        self.address = ""
        self.pages: dict[str, tuple[str, str]] = {}
        self.redirects: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def list(self, *sources: str, match: tuple[str, ...] = DEFAULT_MATCH, token: str = "") -> list[str]:
        github = GitHub(self.address, token)
        return listing(sources, match, github, Web(Patience(timeout=30, pauses=()))).artifacts


@contextmanager
def serve(store: Store) -> Iterator[Store]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            store.asked.append((self.path, dict(self.headers.items())))
            path = self.path.partition("?")[0]
            if path in store.redirects:
                self.send_response(302)
                self.send_header("Location", store.redirects[path])
                self.end_headers()
            elif path in store.pages:
                kind, text = store.pages[path]
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(text.encode())
            else:
                self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        store.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield store
        server.shutdown()


@pytest.fixture
def store() -> Iterator[Store]:
    with serve(Store()) as served:
        yield served


def project(*files: str) -> str:
    entries = [{"filename": name, "url": f"../../files/{name}", "hashes": {"sha256": DIGEST}} for name in files]
    return json.dumps({"meta": {"api-version": "1.1"}, "name": "pkg", "files": entries})


def test_a_project_as_json(store: Store) -> None:
    store.pages["/simple/pkg/"] = (JSON, project(WHEEL, "pkg-1.0.tar.gz", "pkg-1.0-cp312-cp312-win_amd64.whl"))
    assert store.list(f"{store.address}/simple/pkg/") == [f"{store.address}/files/{WHEEL}#sha256={DIGEST}"]
    assert JSON in store.asked[0][1]["Accept"]


def test_a_project_as_html(store: Store) -> None:
    page = f"""<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.3"></head><body>
    <a href="../../files/{WHEEL}#sha256={DIGEST}" data-requires-python="&gt;=3.8">{WHEEL}</a><br>
    <A HREF='../../files/pkg-1.0-py3-none-any.whl'>x</A> <a>no link</a> <a href="/simple/">up</a></body></html>"""
    store.pages["/simple/pkg/"] = ("text/html; charset=utf-8", page)
    assert store.list(f"{store.address}/simple/pkg/") == [f"{store.address}/files/{WHEEL}#sha256={DIGEST}"]


def test_the_base_of_a_page(store: Store) -> None:
    store.pages["/simple/pkg/"] = ("text/html", f'<base href="/else/where/"><a href="{WHEEL}">x</a>')
    assert store.list(f"{store.address}/simple/pkg/") == [f"{store.address}/else/where/{WHEEL}"]


def test_a_whole_index(store: Store) -> None:
    for name, kind, page in (
        ("json", JSON, json.dumps({"meta": {"api-version": "1.0"}, "projects": [{"name": "One.X"}, {"name": "two"}]})),
        ("html", "text/html", '<a href="one-x/">One.X</a><a href="/html/two/">two</a>'),
    ):
        store.pages |= {f"/{name}/": (kind, page)}
        store.pages |= {f"/{name}/one-x/": (JSON, project(WHEEL)), f"/{name}/two/": (JSON, project("x-linux.whl"))}
        found = store.list(f"{store.address}/{name}/")
        assert [place.rpartition("/")[2].partition("#")[0] for place in found] == [WHEEL, "x-linux.whl"]


def test_a_page_that_is_redirected(store: Store) -> None:
    store.redirects["/simple/Pkg/"] = "/simple/pkg/"
    store.pages["/simple/pkg/"] = (JSON, project(WHEEL))
    assert len(store.list(f"{store.address}/simple/Pkg/")) == 1


@pytest.mark.parametrize(
    ("kind", "page", "message"),
    [
        ("text/plain", "x", "no page of a simple index, but text/plain"),
        (JSON, "[]", "no page of a simple index"),
        (JSON, "[" * 100_000, "no page of a simple index"),
        (JSON, '{"files": []}', "a version that is not known: None"),
        (JSON, '{"meta": {"api-version": "2.0"}, "files": []}', r"a version that is not known: 2\.0"),
        (JSON, '{"meta": {"api-version": "1.0"}, "files": 3, "projects": [1]}', "holds no file"),
        (JSON, project("pkg.tar.gz"), "none of 1 files matches"),
        ("text/html", '<meta name="pypi:repository-version" content="2.0">', "a version that is not known"),
        ("text/html", "", "holds no file"),
        ("text/html", '<a href="file:///etc/passwd">x</a>', "leads to"),
        ("text/html", '<a href="http://example.org/x.whl">x</a>', "http is not protected"),
        ("text/html", '<a href="https://user:secret@example.org/x.whl">x</a>', "a URL with a password"),
        ("text/html", '<a href="http://[x">x</a>', "leads to what is no URL"),
    ],
)
def test_a_page_that_is_none(store: Store, kind: str, page: str, message: str) -> None:
    store.pages["/simple/pkg/"] = (kind, page)
    with pytest.raises(ListingError, match=message) as caught:
        store.list(f"{store.address}/simple/pkg/?key=hidden")
    assert "secret" not in str(caught.value)


def test_a_page_that_is_not_there(store: Store) -> None:
    with pytest.raises(ListingError, match=r"/simple/pkg/: no page of a simple index: the server answers 404$"):
        store.list(f"{store.address}/simple/pkg/?key=hidden")


def release(*names: str) -> str:
    return json.dumps({"assets": [{"browser_download_url": f"https://example.org/d/{name}"} for name in names]})


def test_a_release(store: Store) -> None:
    store.pages["/repos/own/er/releases/tags/v1%2Fx"] = ("application/json", release("tool.tar.gz", "tool.sha256"))
    found = store.list("release:own/er@v1/x", match=("*.tar.gz",), token="secret")  # noqa: S106
    assert found == ["https://example.org/d/tool.tar.gz"]
    assert store.asked[0][1]["Authorization"] == "Bearer secret"
    store.pages["/repos/own/er/releases/latest"] = ("application/json", release(WHEEL))
    assert store.list("release:own/er@latest") == [f"https://example.org/d/{WHEEL}"]
    assert "Authorization" not in store.asked[1][1]


def test_a_token_goes_nowhere_else(store: Store) -> None:
    with serve(Store()) as other:
        store.redirects["/repos/own/er/releases/latest"] = f"{other.address}/x"
        other.pages["/x"] = ("application/json", release(WHEEL))
        store.pages["/simple/pkg/"] = (JSON, project(WHEEL))
        store.list("release:own/er@latest", f"{store.address}/simple/pkg/", token="secret")  # noqa: S106
        assert "Authorization" not in other.asked[0][1]
    assert [path for path, headers in store.asked if "Authorization" in headers] == ["/repos/own/er/releases/latest"]
    assert "secret" not in repr(GitHub("https://x", "secret"))


@pytest.mark.parametrize("source", ["release:x", "release:a/b", "release:../../x@y", "release:a/b@"])
def test_what_is_no_release(store: Store, source: str) -> None:
    with pytest.raises(ListingError):
        store.list(source)
    assert all("/../" not in path for path, _ in store.asked)


def test_a_release_that_is_not_there(store: Store) -> None:
    with pytest.raises(ListingError, match=r"release:a/b@v1: there is no such release, or it is not public"):
        store.list("release:a/b@v1")


def test_folders_and_files(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in (WHEEL, "a/b/x-linux.whl", "a/readme.txt"):
        (tmp_path / name).touch()
    assert store.list(str(tmp_path)) == [f"{tmp_path}/a/b/x-linux.whl", f"{tmp_path}/{WHEEL}"]
    assert store.list(f"{tmp_path}/a/readme.txt", "https://example.org/x.zip") == [
        f"{tmp_path}/a/readme.txt",
        "https://example.org/x.zip",
    ]
    with pytest.raises(ListingError, match="no such file or folder"):
        store.list(str(tmp_path / "none"))
    with pytest.raises(ListingError, match=r"none of 3 files matches \*\.so: "):
        store.list(str(tmp_path), match=("*.so",))


def test_the_command_writes_what_check_reads(tmp_path: Path) -> None:
    name = b"\xff-linux.whl"  # no UTF-8
    (tmp_path / "store").mkdir()
    with open(bytes(tmp_path / "store") + b"/" + name, "wb"):  # noqa: PTH123
        pass
    command = [sys.executable, "-m", "glibc_guard", "list", "store", "--output", "list.txt"]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stderr == "artifacts listed: 1, other files left out: 0\n"
    assert (tmp_path / "list.txt").read_bytes() == b"store/" + name + b"\n"
    assert listed(str(tmp_path / "list.txt")) == ["store/\udcff-linux.whl"]
    done = subprocess.run([*command[:3], "list", "none"], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (3, "glibc-guard: none: no such file or folder\n")


def test_a_list_with_line_ends_of_windows(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"a.whl\r\n\r\nhttps://example.org/b.whl\r\n")
    assert listed(str(tmp_path / "list.txt")) == ["a.whl", "https://example.org/b.whl"]
