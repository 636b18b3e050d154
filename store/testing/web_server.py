"""A web server on this machine, with ETags, ranges and pages that link to files, which counts its requests and can misbehave."""

import hashlib
import html
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote

_PATIENCE_S = 20.0


@dataclass
class WebServer:
    """What the server at `url` serves: `files` by path (decoded, without the first slash). `requests` are method, path and range
    of each request. The next `failing` answers are 503, the next `truncating` end in the middle; `status` is the answer to all.
    `extra_links` stand on every page as they are. `conditions` are what requests asked for with If-Match. With `together` the
    answer to a GET waits until as many as the barrier says were asked for at once. `held` is called with the path of each file
    before a GET of it is answered, and may take its time."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    ranges: bool = True
    etags: bool = True
    lengths: bool = True
    failing: int = 0
    truncating: int = 0
    status: int | None = None
    redirects: dict[str, str] = field(default_factory=dict)
    extra_links: list[str] = field(default_factory=list)
    conditions: list[str | None] = field(default_factory=list)
    together: threading.Barrier | None = None
    held: Callable[[str], None] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, method: str) -> int:
        """How many requests of this method came."""
        return sum(asked[0] == method for asked in self.requests)


@contextmanager
def running_web_server() -> Iterator[WebServer]:
    """An empty server on a free loopback port; gone after the block."""
    served = WebServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _answering(served))
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answering(served: WebServer) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 2**16

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Says nothing."""

        def _answer(self, *, with_body: bool) -> None:
            path = unquote(self.path.partition("?")[0]).lstrip("/")
            with served.lock:
                served.requests.append((self.command, path, self.headers.get("Range")))
                served.conditions.append(self.headers.get("If-Match"))
                fails, served.failing = served.failing > 0, max(0, served.failing - 1)
            if served.together is not None and with_body and path in served.files:
                served.together.wait(_PATIENCE_S)
            if served.held is not None and with_body and path in served.files:
                served.held(path)
            if path in served.redirects:
                self._send(302, b"", {"Location": served.redirects[path]}, with_body=with_body)
            elif fails or served.status is not None:
                self._send(served.status or 503, b"", {}, with_body=with_body)
            elif path in served.files:
                self._send_file(served.files[path], with_body=with_body)
            elif (path.endswith("/") or not path) and any(name.startswith(path) for name in served.files):
                self._send(200, _page(served, path), {"Content-Type": "text/html; charset=utf-8"}, with_body=with_body)
            else:
                self._send(404, b"", {}, with_body=with_body)

        def _send_file(self, content: bytes, *, with_body: bool) -> None:
            etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            headers = {"Accept-Ranges": "bytes"} if served.ranges else {}
            if served.etags:
                headers["ETag"] = etag
            wanted = self.headers.get("If-Match")
            if wanted is not None and wanted != etag:
                self._send(412, b"", {}, with_body=with_body)
                return
            asked = self.headers.get("Range") if served.ranges else None
            if asked is None:
                self._send(200, content, headers, with_body=with_body)
                return
            begin, _, last = asked.removeprefix("bytes=").partition("-")
            part = content[int(begin) : int(last) + 1]
            headers["Content-Range"] = f"bytes {begin}-{int(begin) + len(part) - 1}/{len(content)}"
            self._send(206, part, headers, with_body=with_body)

        def _send(self, status: int, content: bytes, headers: dict[str, str], *, with_body: bool) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if served.lengths or status != 200:
                self.send_header("Content-Length", str(len(content)))
            else:
                self.close_connection = True
                self.send_header("Connection", "close")
            self.end_headers()
            if not with_body:
                return
            with served.lock:
                cut, served.truncating = served.truncating > 0 and bool(content), max(0, served.truncating - 1)
            self.wfile.write(content[: len(content) // 2] if cut else content)
            if cut:
                self.close_connection = True

    return Answering


def _page(served: WebServer, path: str) -> bytes:
    names = {name[len(path) :].partition("/") for name in served.files if name.startswith(path)}
    links = sorted({quote(name) + slash for name, slash, _ in names}) + served.extra_links
    return "\n".join(f'<a href="{html.escape(link)}">{html.escape(link)}</a>' for link in links).encode()
