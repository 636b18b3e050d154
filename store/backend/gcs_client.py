"""What the Google Cloud Storage backend needs of google-cloud-storage. No other module imports that library, and this one takes
0.4 s to import, so that `datamon.store.backend.gcs` does so at its first request.

The bytes of an object go in one request of our own, up and down, over the library's authorized session: the library sends what is
larger than 8 MiB in two, and when a body breaks off it asks for the rest and leaves the checksum of the whole out.
"""

import base64
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import google_crc32c
from google.api_core.client_info import ClientInfo
from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError, NotFound, from_http_response
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import (
    DefaultCredentialsError,
    GoogleAuthError,
    MalformedError,
    RefreshError,
    TransportError,
)
from google.cloud import storage
from google.cloud.storage.exceptions import InvalidResponse
from requests import RequestException, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidSchema, InvalidURL
from urllib3.exceptions import HTTPError

from datamon.store.backend import Span
from datamon.store.backend.patience import Patience
from datamon.store.backend.tries import Tries

CONNECTIONS = 32
WRITER = "datamon-writer"
"""The metadata field that tells a writer whose answer was lost that the stored object is its own."""
FAILURES = (GoogleAPIError, GoogleAuthError, InvalidResponse, HTTPError, OSError, ValueError)
"""Whatever a request may raise. OSError: errors of requests and broken connections; ValueError: a key file that is none."""
CREDENTIAL_FAILURES = (
    DefaultCredentialsError,
    MalformedError,
    RefreshError,
    FileNotFoundError,
    PermissionError,
    ValueError,
)
_PASSING_STATUSES = (408, 429, 500, 502, 503, 504)
_OK, _NO_CONTENT, _PART = 200, 204, 206
_LEAST_ERROR = 400
_PIECE_BYTES = 2**20
_PAGE = "1000"
_STRETCH = re.compile(r"bytes (\d+)-(-?\d+)/(\d+)")
"""What `Content-Range` says; the emulator's of an empty object ends before its first byte."""
_CONTENT_TYPE = "application/octet-stream"


class BrokenBodyError(ConnectionError):
    """What came is not all that was promised, or is not what is stored. Passing: the next answer may be whole."""


class GcsClient:
    """The requests about objects in one bucket, each tried again while its failure may pass, for as long as `patience` has it:
    all of them are safe to send twice. Threads share it, processes do not: each makes its own after a fork."""

    def __init__(self, bucket: str, credential: Path | None, patience: Patience) -> None:
        client = library_client(credential)
        self.process = os.getpid()
        self._session = client._http
        self._api = client.api_endpoint
        self._bucket = bucket
        self._objects = f"{self._api}/storage/v1/b/{bucket}/o"
        self._patience = patience
        self._timeout = patience.connect_s, patience.read_s
        self._tries = Tries(patience, is_passing)

    def download(self, name: str, span: Span | None, generation: int | None = None) -> bytes:
        """The bytes of an object, or that stretch of them, in one request; all of them agree with the stored CRC32C, a stretch
        has every byte of it that there is. With a `generation`, those that it had then."""
        url = f"{self._api}/download/storage/v1/b/{self._bucket}/o/{quote(name, safe='')}?alt=media"
        if generation is not None:
            url += f"&generation={generation}"
        asked = _range(span)
        headers = {"Accept-Encoding": "gzip", **({"Range": f"bytes={asked}"} if asked else {})}

        def once() -> bytes:
            began_s = time.monotonic()
            with self._session.request("GET", url, headers=headers, stream=True, timeout=self._timeout) as answer:
                _check_status(answer)
                content = _body(answer, began_s + self._patience.total_s)
            if answer.status_code == _OK:
                _check_whole(answer, content)
                return content if span is None else _cut(content, span)
            _check_part(answer, content, span)
            return content[: span.length] if span is not None else content

        return self._tries.until_answered(once)

    def upload(self, name: str, pieces: Sequence[bytes], writer: str | None = None) -> None:
        """The object is stored, whole and with the CRC32C that its bytes have here, by one request; with a `writer`, only where
        nothing is, and with its name in the metadata."""
        checksum = _checksum(pieces)
        boundary = os.urandom(16).hex()
        told: dict[str, Any] = {"name": name, "contentType": _CONTENT_TYPE, "crc32c": checksum}
        only_new = ""
        if writer is not None:
            told |= {"metadata": {WRITER: writer}}
            only_new = "&ifGenerationMatch=0"
        head = (
            f"--{boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{json.dumps(told)}\r\n"
            f"--{boundary}\r\ncontent-type: {_CONTENT_TYPE}\r\n\r\n"
        )
        body = b"".join((head.encode(), *pieces, f"\r\n--{boundary}--".encode()))
        url = f"{self._api}/upload/storage/v1/b/{self._bucket}/o?uploadType=multipart{only_new}"
        headers = {"content-type": f"multipart/related; boundary={boundary}"}

        def once() -> None:
            with self._session.request("POST", url, data=body, headers=headers, timeout=self._timeout) as answer:
                _check_status(answer)
                stored = answer.json().get("crc32c", checksum)
            if stored != checksum:
                raise BrokenBodyError(f"the bytes that were stored have the CRC32C {stored} instead of {checksum}")

        self._tries.until_answered(once)

    def has(self, name: str) -> bool:
        """Whether the object is there."""
        try:
            self._ask("GET", self._object(name), {"fields": "name"})
        except NotFound:
            return False
        return True

    def writer(self, name: str) -> str | None:
        """Who made the object, as far as it tells. Raises NotFound of the library when nothing is there."""
        metadata = self._ask("GET", self._object(name), {"fields": "metadata"}).get("metadata", {})
        return str(metadata[WRITER]) if WRITER in metadata else None

    def delete(self, name: str) -> None:
        """The object is gone. Raises NotFound of the library when it was before."""
        self._ask("DELETE", self._object(name), {})

    def list(self, prefix: str, start: str | None) -> Iterator[tuple[str, int]]:
        """The name and the size of each object whose name begins with `prefix`, from `start` on, in pages of 1,000."""
        params = {"prefix": prefix, **({"startOffset": start} if start else {})}
        return ((told["name"], int(told["size"])) for told in self._pages(params, "name,size"))

    def versions(self, prefix: str) -> Iterator[tuple[str, int, int | None]]:
        """The name, the generation and the time of the end (nanoseconds since 1970; None: it has not ended) of whatever an object
        whose name begins with `prefix` ever held, as far as the bucket keeps that."""
        for told in self._pages({"prefix": prefix, "versions": "true"}, "name,generation,timeDeleted"):
            ended = told.get("timeDeleted")
            ended_ns = None if ended is None else int(datetime.fromisoformat(ended).timestamp() * 10**6) * 1000
            yield told["name"], int(told["generation"]), ended_ns

    def _pages(self, params: dict[str, str], fields: str) -> Iterator[dict[str, Any]]:
        asked = {**params, "fields": f"items({fields}),nextPageToken", "maxResults": _PAGE}
        while True:
            page = self._ask("GET", self._objects, asked)
            yield from page.get("items", ())
            if "nextPageToken" not in page:
                return
            asked["pageToken"] = page["nextPageToken"]

    def close(self) -> None:
        """No connection is open any more, save those in use."""
        self._session.close()

    def _ask(self, method: str, url: str, params: dict[str, str]) -> dict[str, Any]:
        """What the service tells. (The library's own calls ask for the bucket's metadata besides.)"""

        def once() -> dict[str, Any]:
            with self._session.request(method, url, params=params, timeout=self._timeout) as answer:
                _check_status(answer)
                told: dict[str, Any] = answer.json() if method == "GET" else {}
                return told

        return self._tries.until_answered(once)

    def _object(self, name: str) -> str:
        return f"{self._objects}/{quote(name, safe='')}"


def is_passing(error: BaseException) -> bool:
    """Whether the same request may succeed a moment later."""
    if isinstance(error, GoogleAPICallError):
        return error.code in _PASSING_STATUSES
    if isinstance(error, TransportError):
        return True
    if isinstance(error, InvalidURL | InvalidSchema):
        return False
    return isinstance(error, RequestException | HTTPError | ConnectionError)


def status_of(error: Exception) -> int | None:
    """The HTTP status behind an error, if any."""
    code = getattr(error, "code", None)
    return code if isinstance(code, int) else None


def library_client(credential: Path | None, *, anonymous: bool = False) -> Any:
    """The library's client, with the credentials of this file, or those of the machine or pod, or none at all. It starts no
    threads and sends no requests but those that are asked for. Raises what is in `CREDENTIAL_FAILURES`."""
    # project=None: nothing here needs one, and without it the library would insist on finding one.
    agent = f"datamon/{version('datamon')}"
    options: dict[str, Any] = {"project": None, "client_info": ClientInfo(user_agent=agent)}  # type: ignore[no-untyped-call]
    if anonymous:
        options["credentials"] = AnonymousCredentials()  # type: ignore[no-untyped-call]
    client = (
        storage.Client(**options)
        if credential is None
        else storage.Client.from_service_account_json(str(credential), **options)
    )
    # For traces that nobody here takes, its own calls would ask after the bucket in threads, first and when a name is absent.
    client._bucket_metadata_cache = None
    for scheme in ("https://", "http://"):
        client._http.mount(scheme, HTTPAdapter(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS))
    # On a 401 the session asks again with a fresh token and leaves the first answer's connection hanging, unless it was read.
    client._http.hooks["response"].append(_read_error)
    client._http.headers["User-Agent"] = agent  # of requests that the library does not make
    return client


def _read_error(answer: Response, **_: object) -> None:
    if answer.status_code >= _LEAST_ERROR:
        answer.content  # noqa: B018 (reads it)


def _check_status(answer: Response) -> None:
    if answer.status_code not in (_OK, _NO_CONTENT, _PART):
        raise from_http_response(answer)  # type: ignore[no-untyped-call]


def _body(answer: Response, end_s: float) -> bytes:
    """The bytes as they came. Whoever sends them so slowly that all patience is used up has broken off."""
    pieces = []
    for piece in answer.raw.stream(_PIECE_BYTES, decode_content=False):
        pieces.append(piece)
        if time.monotonic() > end_s:
            raise BrokenBodyError("the bytes come too slowly")
    content = b"".join(pieces)
    promised = answer.headers.get("Content-Length")
    if promised is not None and int(promised) != len(content):
        raise BrokenBodyError(f"{len(content)} bytes came where {promised} were promised")
    return content


def _check_whole(answer: Response, content: bytes) -> None:
    told = [part.strip() for part in answer.headers.get("X-Goog-Hash", "").split(",")]
    stored = next((part.removeprefix("crc32c=") for part in told if part.startswith("crc32c=")), None)
    if stored is not None and stored != _checksum([content]):
        raise BrokenBodyError(f"bytes came that do not have the stored CRC32C {stored}")


def _check_part(answer: Response, content: bytes, span: Span | None) -> None:
    """The answer is the stretch that was asked for, to its end or the object's."""
    told = answer.headers.get("Content-Range", "")
    found = _STRETCH.fullmatch(told)
    if span is None or found is None:
        raise BrokenBodyError(f"an answer says of its stretch only {told!r}")
    first, last, size = map(int, found.groups())
    start = span.start if span.start >= 0 else max(0, size + span.start)
    end = size if span.start < 0 else min(size, start + span.length)
    if (first, last + 1) != (start, end) or len(content) != end - start:
        raise BrokenBodyError(f"{len(content)} bytes came that are the stretch {told}, and {span} was asked for")


def _cut(content: bytes, span: Span) -> bytes:
    """The stretch of a whole object, which a server may send instead."""
    start = span.start if span.start >= 0 else max(0, len(content) + span.start)
    return content[start : start + span.length]


def _range(span: Span | None) -> str | None:
    """A stretch as HTTP has it; from the end only its beginning can be told."""
    if span is None:
        return None
    return str(span.start) if span.start < 0 else f"{span.start}-{span.start + span.length - 1}"


def _checksum(pieces: Sequence[bytes]) -> str:
    value = 0
    for piece in pieces:
        value = google_crc32c.extend(value, piece)
    return base64.b64encode(value.to_bytes(4, "big")).decode()
