"""Places of every scheme that holds sources, on this machine: a directory, a web server, Google's emulator, an S3 server."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from datamon.store.bundle import Bundle
from datamon.store.entries import TreeEntry
from datamon.store.manifest import iter_entries, read_manifest
from datamon.store.opening import Store
from datamon.store.testing.web_server import WebServer


class Place(Protocol):
    """Somewhere that bytes can be put by name, to be read from `url`."""

    @property
    def url(self) -> str:
        """Of all that lies there; ends with `/`."""

    def url_of(self, name: str) -> str:
        """Of one name."""

    def put(self, name: str, content: bytes) -> None:
        """The name has these bytes."""

    def delete(self, name: str) -> None:
        """Nothing has the name."""


@dataclass
class DirectoryPlace:
    """A directory of this machine."""

    root: Path

    @property
    def url(self) -> str:
        """See `Place`."""
        return self.root.as_uri() + "/"

    def url_of(self, name: str) -> str:
        """See `Place`."""
        return (self.root / name).as_uri()

    def put(self, name: str, content: bytes) -> None:
        """See `Place`."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def delete(self, name: str) -> None:
        """See `Place`."""
        (self.root / name).unlink()


@dataclass
class WebPlace:
    """A folder of a web server."""

    server: WebServer
    folder: str = "data/"

    @property
    def url(self) -> str:
        """See `Place`."""
        return f"{self.server.url}/{self.folder}"

    def url_of(self, name: str) -> str:
        """See `Place`."""
        return self.url + quote(name)

    def put(self, name: str, content: bytes) -> None:
        """See `Place`."""
        self.server.files[self.folder + name] = content

    def delete(self, name: str) -> None:
        """See `Place`."""
        del self.server.files[self.folder + name]


@dataclass
class GooglePlace:
    """A prefix of a bucket of Google's emulator."""

    bucket: Any
    prefix: str

    @property
    def url(self) -> str:
        """See `Place`."""
        return f"gs://{self.bucket.name}/{self.prefix}"

    def url_of(self, name: str) -> str:
        """See `Place`."""
        return self.url + name

    def put(self, name: str, content: bytes) -> None:
        """See `Place`."""
        self.bucket.blob(self.prefix + name).upload_from_string(content)

    def delete(self, name: str) -> None:
        """See `Place`."""
        self.bucket.blob(self.prefix + name).delete()


@dataclass
class S3Place:
    """A prefix of a bucket of an S3 server."""

    client: Any
    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        """See `Place`."""
        return f"s3://{self.bucket}/{self.prefix}"

    def url_of(self, name: str) -> str:
        """See `Place`."""
        return self.url + name

    def put(self, name: str, content: bytes) -> None:
        """See `Place`."""
        self.client.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=content)

    def delete(self, name: str) -> None:
        """See `Place`."""
        self.client.delete_object(Bucket=self.bucket, Key=self.prefix + name)


@contextmanager
def running_s3_server() -> Iterator[dict[str, str]]:
    """An empty S3 server in memory (moto's) on a free loopback port: gives the environment variables by which boto3 finds it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield {
            "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }
    finally:
        server.stop()


def entries_of(store: Store, bundle: Bundle) -> dict[str, TreeEntry]:
    """What a bundle holds, by path."""
    manifest = read_manifest(store.metadata, bundle.manifest)
    return {entry.path: entry for entry in iter_entries(store.metadata, manifest)}


def contents(root: Path) -> dict[str, bytes]:
    """The bytes of every file below a directory, by path."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
