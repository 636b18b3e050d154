"""Which source reads a URL; the libraries behind them load when the first URL of their scheme comes."""

import threading

from datamon.store.external.source import Source
from datamon.store.external.urls import Scheme, Url


class Sources:
    """The sources of one piece of work, each made once. Any thread may ask. Not to be carried over a fork."""

    def __init__(self) -> None:
        self._made: dict[Scheme, Source] = {}
        self._lock = threading.Lock()

    def of(self, url: Url) -> Source:
        """The source for this URL."""
        with self._lock:
            if url.scheme not in self._made:
                self._made[url.scheme] = _source(url)
            return self._made[url.scheme]


def _source(url: Url) -> Source:
    # Imported at first use: Google's library takes 0.4 s, boto3 0.2 s and requests 0.1 s.
    match url.scheme:
        case "file":
            from datamon.store.external.local_files import LocalFiles

            return LocalFiles()
        case "gs":
            from datamon.store.external.google_buckets import GoogleBuckets

            return GoogleBuckets()
        case "s3":
            from datamon.store.external.s3_buckets import S3Buckets

            return S3Buckets()
        case "http" | "https":
            from datamon.store.external.web import Web

            return Web()
