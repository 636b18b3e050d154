"""Web servers as a source, by way of requests: without credentials, never to addresses that only this machine's network knows
as its own."""

import ipaddress
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import partial
from html.parser import HTMLParser
from itertools import islice
from typing import TypeVar
from urllib.parse import unquote, urljoin

import requests
from requests.adapters import HTTPAdapter

from datamon.errors import DatamonError, Invalid, Unavailable
from datamon.store.external.failures import changed, check_size, gone, refused, unreachable
from datamon.store.external.source import Listed, Status
from datamon.store.external.urls import Url, parse_url

_CONNECTIONS = 32
_TIMEOUT_S = (10.0, 60.0)
_ATTEMPTS = 4
_FIRST_PAUSE_S = 0.2
_MOST_HOPS = 5
_PIECE_BYTES = 2**20
_INDEX_BYTES = 16 * 2**20
_MOST_INDEXES = 100_000
_HEADS_AT_ONCE = 16
_SETTLED_S = 60
"""A modification time names one state of a file only when it is this much older than the answer that tells it."""
_PASSING = (408, 429, 500, 502, 503, 504)

Made = TypeVar("Made")


class Web:
    """See `Source`. What a URL that ends with `/` names are the links of its page that go beneath it, and so on beneath those.
    `pause` is called between attempts, with seconds."""

    def __init__(self, pause: Callable[[float], None] = time.sleep) -> None:
        self._pause = pause
        self._session = requests.Session()
        self._session.auth = _without_credentials
        self._session.headers["Accept-Encoding"] = "identity"
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS))

    def find(self, url: Url) -> Iterator[Listed]:
        """See `Source`."""
        if not url.is_directory or "?" in url.path:
            yield Listed("", url, self.status(url))
            return
        names = _names(url, self._pages(url))
        with ThreadPoolExecutor(_HEADS_AT_ONCE, thread_name_prefix="heads") as threads:
            while some := list(islice(names, _HEADS_AT_ONCE * 4)):
                for (path, found), at in zip(some, threads.map(self.status, (each[1] for each in some)), strict=True):
                    yield Listed(path, found, at)

    def status(self, url: Url) -> Status:
        """See `Source`."""

        def ask() -> Status:
            with self._answer("HEAD", url, {}) as answer:
                if answer.status_code == 200:
                    return _status(answer)
            # Some servers know only GET, and a signed URL is good for one of the two.
            with self._answer("GET", url, {}) as answer:
                _check(url, answer)
                return _status(answer)

        return self._again(ask)

    def read(self, url: Url, at: Status, begin: int, end: int) -> bytes:
        """See `Source`."""
        if begin == end:
            check_size(url, at, self.status(url))
            return b""
        is_whole = begin == 0 and end == at.size_bytes
        headers = _conditions(at) if is_whole else {**_conditions(at), "Range": f"bytes={begin}-{end - 1}"}

        def ask() -> bytes:
            with self._answer("GET", url, headers) as answer:
                _check_as(url, answer, at)
                if not is_whole and answer.status_code != 206:
                    raise changed(url, "its server gives no ranges any more")
                content = b"".join(_pieces(answer, end - begin))
            if len(content) != end - begin:
                raise (
                    unreachable(url, "the answer was cut short")
                    if len(content) < end - begin
                    else changed(url, "it has become longer")
                )
            return content

        return self._again(ask)

    def stream(self, url: Url, at: Status) -> Iterator[bytes]:
        """See `Source`."""
        count = 0
        with self._answer("GET", url, _conditions(at)) as answer:
            _check_as(url, answer, at)
            for piece in _pieces(answer, None):
                count += len(piece)
                yield piece
            stated = answer.headers.get("Content-Length")
        if stated is not None and count != int(stated):
            raise unreachable(url, "the answer was cut short")

    def _pages(self, url: Url) -> Iterator[tuple[Url, list[str]]]:
        """The page at the URL and those that pages link to beneath it, each once, with their links."""
        waiting, seen = [url], {url.text}
        while waiting:
            if len(seen) > _MOST_INDEXES:
                raise unreachable(url, f"it has more than {_MOST_INDEXES:,} pages that link to others")
            page = waiting.pop()
            links = self._again(partial(self._links, page))
            yield page, links
            for link in links:
                if link.endswith("/") and link not in seen:
                    seen.add(link)
                    waiting.append(parse_url(link))

    def _links(self, url: Url) -> list[str]:
        """Where the page at the URL links to beneath itself, as URLs, in order."""
        with self._answer("GET", url, {}) as answer:
            _check(url, answer)
            if not answer.headers.get("Content-Type", "").startswith("text/html"):
                message = f"{url} is no page with links to files; name the files one by one, or a bucket"
                raise Invalid("unsupported-file", message, url=url.text)
            content = b"".join(_pieces(answer, _INDEX_BYTES))
            found = _Links()
            found.feed(content.decode(answer.encoding or "utf-8", "replace"))
        joined = {urljoin(url.text, link).partition("#")[0] for link in found.links}
        return sorted(link for link in joined if link.startswith(url.text) and link != url.text and "?" not in link)

    def _again(self, ask: Callable[[], Made]) -> Made:
        for attempt in range(_ATTEMPTS):
            try:
                return ask()
            except Unavailable:
                if attempt == _ATTEMPTS - 1:
                    raise
                self._pause(_FIRST_PAUSE_S * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def _answer(self, method: str, url: Url, headers: dict[str, str]) -> Iterator[requests.Response]:
        """The answer, behind redirects; its body is still to be read."""
        here = url
        try:
            for _ in range(_MOST_HOPS):
                _check_address(here)
                answer = self._session.request(
                    method, here.text, headers=headers, stream=True, timeout=_TIMEOUT_S, allow_redirects=False
                )
                with answer:
                    if method == "HEAD":
                        _ = answer.content  # there is none, but the connection can be used again when it was asked for
                    if not answer.is_redirect:
                        yield answer
                        return
                    here = _next_hop(url, here, answer.headers["Location"])
        except (requests.RequestException, OSError) as error:
            raise unreachable(url, error) from error
        raise unreachable(url, "it redirects without end")


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]


def _names(url: Url, pages: Iterator[tuple[Url, list[str]]]) -> Iterator[tuple[str, Url]]:
    """The files that pages link to, each once, with their paths below the URL."""
    seen = set()
    for _, links in pages:
        for link in links:
            if not link.endswith("/") and link not in seen:
                seen.add(link)
                yield unquote(link[len(url.text) :], errors="surrogateescape"), parse_url(link)


def _without_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    # Without this, requests would send what ~/.netrc has for the host, which a bundle of somebody else may name.
    return request


def _check_address(url: Url) -> None:
    """Raises Denied (`source-denied`) when the host is at a link-local address: there machines of clouds give out credentials."""
    host = url.host.rpartition(":")[0] if not url.host.endswith("]") and ":" in url.host else url.host
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return  # perhaps a proxy knows it
    for *_, address in found:
        ip = ipaddress.ip_address(str(address[0]).partition("%")[0])
        ip = getattr(ip, "ipv4_mapped", None) or ip
        if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
            raise refused(url, f"{ip} is an address that datamon never asks")


def _next_hop(url: Url, here: Url, location: str) -> Url:
    try:
        following = parse_url(urljoin(here.text, location).partition("#")[0])
    except Invalid as error:
        raise refused(url, "it redirects to what is no plain URL") from error
    if following.scheme not in ("http", "https") or (here.scheme == "https" and following.scheme != "https"):
        raise refused(url, f"it redirects to {following.scheme}://")
    return following


def _check(url: Url, answer: requests.Response) -> None:
    code = answer.status_code
    if code in (404, 410):
        raise gone(url)
    if code in (401, 403, 407):
        raise refused(url, f"its server answers {code}")
    if code in (412, 416):
        raise changed(url, f"its server answers {code}")
    if code not in (200, 206):
        raise _unusual(url, code)


def _unusual(url: Url, code: int) -> DatamonError:
    reason = f"its server answers {code}"
    return unreachable(url, reason) if code in _PASSING else refused(url, reason)


def _check_as(url: Url, answer: requests.Response, at: Status) -> None:
    """Returns when the answer is not known to be of other bytes."""
    _check(url, answer)
    now = _status(answer)
    if at.etag is not None and now.etag is not None and at.etag != now.etag:
        raise changed(url, "its ETag is another")
    if at.etag is None and at.mtime_ns and now.mtime_ns and at.mtime_ns != now.mtime_ns:
        raise changed(url, "its modification time is another")
    total = answer.headers.get("Content-Range", "").rpartition("/")[2] if answer.status_code == 206 else ""
    size_bytes = int(total) if total.isdigit() else now.size_bytes if answer.status_code == 200 else None
    if at.size_bytes is not None and size_bytes is not None and size_bytes != at.size_bytes:
        raise changed(url, "it has another size")


def _conditions(at: Status) -> dict[str, str]:
    return {} if at.etag is None or at.etag.startswith("W/") else {"If-Match": at.etag}


def _status(answer: requests.Response) -> Status:
    headers = answer.headers
    encoded = headers.get("Content-Encoding", "identity") != "identity"
    length = headers.get("Content-Length", "")
    etag = headers.get("ETag")
    modified_s, answered_s = _seconds(headers.get("Last-Modified")), _seconds(headers.get("Date"))
    proof = etag if etag is not None and not etag.startswith("W/") else None
    if etag is None and modified_s and answered_s - modified_s > _SETTLED_S:
        proof = str(modified_s)
    return Status(
        size_bytes=int(length) if length.isdigit() and not encoded else None,
        mtime_ns=modified_s * 10**9,
        etag=etag,
        proof=proof,
        ranges=headers.get("Accept-Ranges") == "bytes" and not encoded,
    )


def _seconds(date: str | None) -> int:
    """The time that a header names, in seconds since 1970; 0 where none does."""
    try:
        return max(0, int(parsedate_to_datetime(date).timestamp())) if date else 0
    except (ValueError, OverflowError):
        return 0


def _pieces(answer: requests.Response, most_bytes: int | None) -> Iterator[bytes]:
    """The body, of which more than `most_bytes` is read only as far as to see that there is more."""
    count = 0
    for piece in answer.iter_content(_PIECE_BYTES):
        count += len(piece)
        yield piece
        if most_bytes is not None and count > most_bytes:
            return
