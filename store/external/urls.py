"""URLs of sources: what they may be, and which may be kept in a bundle."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from datamon.errors import Invalid

Scheme = Literal["file", "http", "https", "s3", "gs"]

_LONGEST = 8192
_SECRET_WORDS = ("signature", "credential", "token", "secret", "password", "passwd", "apikey", "api_key", "api-key")
_SECRET_NAMES = ("sig", "key", "auth", "awsaccesskeyid", "googleaccessid", "policy", "pwd")


@dataclass(frozen=True, slots=True)
class Url:
    """Where a source lies. `host` is a bucket for `s3` and `gs`. `path` is what follows it: of a bucket the key just as it is, of
    `file` the decoded path, of `http` and `https` path and query as they are sent."""

    text: str
    scheme: Scheme
    host: str
    path: str

    def __str__(self) -> str:
        return self.text

    @property
    def name(self) -> str:
        """The last part of the path, decoded."""
        path = self.path.partition("?")[0] if self.scheme in ("http", "https") else self.path
        last = path.rstrip("/").rpartition("/")[2]
        return unquote(last) if self.scheme in ("http", "https") else last

    @property
    def is_directory(self) -> bool:
        """Whether it says by its end that it names what lies beneath it."""
        return not self.path or self.path.partition("?")[0].endswith("/")

    def at_key(self, key: str) -> "Url":
        """The URL of another key of the same bucket."""
        return replace(self, text=f"{self.scheme}://{self.host}/{key}", path=key)

    def is_beneath(self, other: "Url") -> bool:
        """Whether it is the other one or lies below it."""
        above = other.text.rstrip("/")
        return self.text == other.text or self.text.startswith(above + "/")


def parse_url(text: str) -> Url:
    """The URL. Raises Invalid (`bad-url`): an unknown scheme, no host, characters that no URL has, or a password in it."""
    scheme, colon, rest = text.partition("://")
    if not colon:
        raise _bad(text, "is no URL", "begin it with s3://, gs://, https://, http:// or file://")
    if len(text) > _LONGEST or any(ord(char) < 32 or 0xD800 <= ord(char) < 0xE000 for char in text):
        raise _bad(text[:80], "has characters that no URL has, or is too long", "name it otherwise")
    match scheme.lower():
        case "s3" | "gs" as bucket_scheme:
            return _bucket_url("s3" if bucket_scheme == "s3" else "gs", rest)
        case "file":
            return _file_url(text, rest)
        case "http" | "https" as web_scheme:
            return _web_url(text, "http" if web_scheme == "http" else "https")
    raise _bad(text, f"has the scheme {scheme!r}, which datamon cannot read", "use s3, gs, https, http or file")


def url_text(text: str) -> str:
    """The URL that a person meant who may have typed a path.

    >>> url_text("/srv/a b"), url_text("s3://bucket/key")
    ('file:///srv/a%20b', 's3://bucket/key')
    """
    if "://" in text:
        return text
    return path_url(Path(text).expanduser().absolute()).text


def path_url(path: Path) -> Url:
    """The `file://` URL of a path. Raises Invalid (`unsupported-file`) when its name is not UTF-8."""
    text = str(path)
    try:
        return Url(f"file://{quote(text)}", "file", "", text)
    except UnicodeEncodeError as error:
        shown = repr(text.encode("utf-8", "backslashreplace").decode())
        raise Invalid("unsupported-file", f"{shown} has a name that is not UTF-8; rename it", path=shown) from error


def check_keepable(url: Url) -> None:
    """Returns when the URL may be kept where everybody reads it. Raises Invalid (`bad-url`) when it seems to hold a secret, as
    signed URLs do."""
    if url.scheme not in ("http", "https"):
        return
    query = url.path.partition("?")[2]
    for name, _ in parse_qsl(query, keep_blank_values=True):
        plain = name.casefold()
        if plain in _SECRET_NAMES or any(word in plain for word in _SECRET_WORDS):
            fault = f"has {name!r} in its query, which looks like a credential that everybody could read in the bundle"
            raise _bad(
                url.text.partition("?")[0], fault, "link a URL without it, or bring the bytes in with `datamon ingest`"
            )


def _bucket_url(scheme: Literal["s3", "gs"], rest: str) -> Url:
    bucket, _, key = rest.partition("/")
    if not bucket or "@" in bucket:
        raise _bad(
            scheme + "://…", "names no bucket", f"write {scheme}://BUCKET/KEY; credentials come from the environment"
        )
    return Url(f"{scheme}://{bucket}/{key}", scheme, bucket, key)


def _file_url(text: str, rest: str) -> Url:
    host, _, path = rest.partition("/")
    if host not in ("", "localhost"):
        raise _bad(text, f"names the machine {host!r}", "write file:///PATH, with three slashes")
    decoded = unquote(f"/{path}", errors="surrogateescape")
    if "\0" in decoded:
        raise _bad(text, "has a NUL in its path", "name it otherwise")
    return replace(path_url(Path(decoded)), path=decoded)


def _web_url(text: str, scheme: Literal["http", "https"]) -> Url:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise _bad(text, f"cannot be read ({error})", "correct it") from error
    if parts.username is not None or parts.password is not None:
        shown = f"{scheme}://…@{parts.hostname}"
        raise _bad(
            shown, "has a user or a password in it", "leave them out: datamon sends no credentials to web servers"
        )
    if not parts.hostname or " " in text:
        raise _bad(text, "names no host or has a space in it", "write https://HOST/PATH, with %20 for a space")
    path = parts.path or "/"
    sent = f"{path}?{parts.query}" if parts.query else path
    return Url(f"{scheme}://{parts.netloc}{sent}", scheme, parts.netloc, sent)


def _bad(shown: str, fault: str, next_step: str) -> Invalid:
    return Invalid("bad-url", f"{shown!r} {fault}; {next_step}", url=shown)
