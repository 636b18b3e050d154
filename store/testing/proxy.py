"""A proxy between a client of Google Cloud Storage and the emulator, which counts requests and spoils them as a test says."""

import http.client
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

Method = Literal["get", "put", "has", "list", "delete", "other"]
FaultKind = Literal["refused", "broken", "lost", "truncated", "slow", "stalled", "flipped", "flipped-up"]
"""refused: an error status, and nothing is done. broken: the connection ends, and nothing is done. lost: it is done, and the
connection ends without an answer. truncated: the answer's body ends half-way. slow: it comes in small pieces with pauses.
stalled: nothing of its second half ever comes. flipped: a bit of it is another. flipped-up: one of the request's body is."""

_NAME = re.compile(rb'"name": ?"([^"]*)"')
_OBJECT = re.compile(r"/(?:download/)?storage/v1/b/[^/]+/o/(.+)")
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})
_SLOW_PIECES = 8


@dataclass(frozen=True, slots=True)
class Request:
    """What a request asked of the bucket, the answer's status, and its Authorization and User-Agent."""

    method: Method
    key: str
    status: int = 0
    authorization: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A share of the requests of some methods goes wrong: at most `most` of them in all, none when it is 0. `burst` is how many
    follow each other once one did. `status` is of those that are refused, `pause_s` is that of slow ones."""

    kind: FaultKind
    share: float = 1.0
    most: int | None = None
    burst: int = 1
    methods: frozenset[Method] | None = None
    status: int = 503
    pause_s: float = 0.002


class Proxy:
    """A running proxy at `url`. `requests` is every request so far, in order of their answers; `spoilt` counts the faults."""

    def __init__(self, upstream: str, *rules: Rule, seed: int = 0) -> None:
        parts = urlsplit(upstream)
        assert parts.hostname is not None and parts.port is not None
        self._upstream = (parts.hostname, parts.port)
        self._rules = rules
        self._draw = random.Random(seed)  # noqa: S311 (for tests)
        self._left = dict.fromkeys(rules, 0)
        self._lock = threading.Condition()
        self._open: set[socket.socket] = set()
        self._is_gone = False
        self.requests: list[Request] = []
        self.spoilt: Counter[FaultKind] = Counter()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def counted(self) -> Counter[str]:
        """How many requests there were of each method."""
        return Counter(request.method for request in self.requests)

    def forget(self) -> None:
        """The requests so far do not count."""
        self.requests = []

    def obey(self, *rules: Rule) -> None:
        """From now on these rules hold, and no others."""
        with self._lock:
            self._rules, self._left = rules, dict.fromkeys(rules, 0)

    def await_spoilt(self, count: int) -> None:
        """So many requests were spoilt by now. Raises AssertionError after a minute."""
        with self._lock:
            assert self._lock.wait_for(lambda: self.spoilt.total() >= count, 60.0), "nothing more goes wrong"

    def vanish_after(self, method: Method, count: int) -> None:
        """It vanishes, some time later, when so many more requests of this method were answered."""
        before = self.counted()[method]

        def wait() -> None:
            with self._lock:
                self._lock.wait_for(lambda: self._is_gone or self.counted()[method] >= before + count)
            self.vanish()

        threading.Thread(target=wait, daemon=True).start()

    def assert_gone(self) -> None:
        """It has vanished."""
        assert self._is_gone, "it did not vanish"

    def vanish(self) -> None:
        """Every connection is cut, and new ones are refused, for good."""
        with self._lock:
            if self._is_gone:
                return
            self._is_gone = True
            self._lock.notify_all()
        self._server.shutdown()
        self._thread.join()
        self._server.socket.close()
        with self._lock:
            left = list(self._open)
        for connection in left:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

    def fault_for(self, request: Request) -> Rule | None:
        """The rule by which this request is spoilt."""
        with self._lock:
            for rule in self._rules:
                if rule.methods is not None and request.method not in rule.methods:
                    continue
                if rule.most is not None and self.spoilt[rule.kind] >= rule.most:
                    continue
                if self._left[rule] == 0 and self._draw.random() < rule.share:
                    self._left[rule] = rule.burst
                if self._left[rule]:
                    self._left[rule] -= 1
                    self.spoilt[rule.kind] += 1
                    self._lock.notify_all()
                    return rule
        return None

    def note(self, request: Request) -> None:
        """A request was answered, or cut off."""
        with self._lock:
            self.requests.append(request)
            self._lock.notify_all()

    def upstream(self) -> http.client.HTTPConnection:
        """A connection to the emulator."""
        return http.client.HTTPConnection(*self._upstream, timeout=30)

    def began(self, connection: socket.socket) -> None:
        """A client is connected."""
        with self._lock:
            self._open.add(connection)

    def ended(self, connection: socket.socket) -> None:
        """It no longer is."""
        with self._lock:
            self._open.discard(connection)


@contextmanager
def running_proxy(upstream: str, *rules: Rule, seed: int = 0) -> Iterator[Proxy]:
    """A proxy to the emulator at `upstream` inside the block."""
    proxy = Proxy(upstream, *rules, seed=seed)
    try:
        yield proxy
    finally:
        proxy.vanish()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            self._upstream = proxy.upstream()
            proxy.began(self.connection)

        def finish(self) -> None:
            proxy.ended(self.connection)
            self._upstream.close()
            with suppress(OSError):
                super().finish()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
            """Says nothing."""

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = _request(self.command, self.path, body, dict(self.headers))
            rule = proxy.fault_for(request)
            if rule is not None and rule.kind in ("refused", "broken"):
                self._refuse(rule, request)
                return
            kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            if rule is not None and rule.kind == "flipped-up":
                body = _flipped(body)
            self._upstream.request(self.command, self.path, body=body, headers=kept)
            answer = self._upstream.getresponse()
            content = answer.read()
            _note(proxy, request, answer.status)
            if rule is not None and rule.kind == "lost":
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self._send(content, rule)

        def _refuse(self, rule: Rule, request: Request) -> None:
            _note(proxy, request, rule.status if rule.kind == "refused" else 0)
            if rule.kind == "refused":
                told = b'{"error": {"message": "spoilt by the test"}}'
                self.send_response_only(rule.status)
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)
            else:
                self.close_connection = True

        def _send(self, content: bytes, rule: Rule | None) -> None:
            kind = rule.kind if rule is not None and content else None
            if kind == "flipped":
                content = _flipped(content)
            if kind in (None, "flipped"):
                self.wfile.write(content)
            elif rule is not None and kind == "slow":
                step = max(1, len(content) // _SLOW_PIECES)
                for begin in range(0, len(content), step):
                    self.wfile.write(content[begin : begin + step])
                    self.wfile.flush()
                    time.sleep(rule.pause_s)
            else:
                self.wfile.write(content[: len(content) // 2])
                self.wfile.flush()
                if kind == "stalled":
                    self.connection.settimeout(10)
                    with suppress(OSError):
                        self.rfile.read(1)  # until the client gives up
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _serve  # noqa: N815 (the library's names)

    return Handler


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :] if content else content


def _note(proxy: Proxy, request: Request, status: int) -> None:
    proxy.note(Request(request.method, request.key, status, request.authorization, request.agent))


def _request(command: str, target: str, body: bytes, headers: dict[str, str]) -> Request:
    told = {name.lower(): value for name, value in headers.items()}
    method, key = _meant(command, urlsplit(target).path, parse_qs(urlsplit(target).query), body)
    return Request(method, key, 0, told.get("authorization", ""), told.get("user-agent", ""))


def _meant(command: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[Method, str]:
    found = _OBJECT.fullmatch(path)
    if found is not None:
        key = unquote(found[1])
        if command == "DELETE":
            return "delete", key
        return ("get" if query.get("alt") == ["media"] else "has"), key
    if path.startswith("/upload/") and command == "POST":
        name = _NAME.search(body[:2_000])
        return "put", name[1].decode() if name else ""
    if path.endswith("/o") and command == "GET":
        return "list", query.get("prefix", [""])[0]
    return "other", path
