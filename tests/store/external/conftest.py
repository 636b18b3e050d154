"""Fixtures of the tests of external sources: a place of each scheme, real servers behind all of them."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from datamon.store.opening import Store
from datamon.store.repos import create_repo
from datamon.store.testing.emulator import emulator_client, running_emulator
from datamon.store.testing.places import DirectoryPlace, GooglePlace, Place, S3Place, WebPlace, running_s3_server
from datamon.store.testing.web_server import WebServer, running_web_server

BUCKET = "sources"
SCHEMES = ("file", "http", "gs", "s3")
_numbers = count()


@pytest.fixture(scope="session")
def google_bucket() -> Iterator[Any]:

    with running_emulator() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", url)
        client = emulator_client()
        yield client.create_bucket(BUCKET)
        client.close()


@pytest.fixture(scope="session")
def s3_client() -> Iterator[Any]:
    import boto3

    with running_s3_server() as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client
        client.close()


@pytest.fixture
def web_server() -> Iterator[WebServer]:
    with running_web_server() as server:
        yield server


@pytest.fixture(params=SCHEMES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place of each scheme."""
    match request.param:
        case "file":
            (tmp_path / "place").mkdir()
            return DirectoryPlace(tmp_path / "place")
        case "http":
            return WebPlace(request.getfixturevalue("web_server"))
        case "gs":
            return GooglePlace(request.getfixturevalue("google_bucket"), f"prefix {next(_numbers)}/")
        case _:
            return S3Place(request.getfixturevalue("s3_client"), BUCKET, f"prefix {next(_numbers)}/")


@pytest.fixture
def with_repo(store: Store) -> Store:
    """A store in memory with the repo `raw`."""
    create_repo(store, "raw", "for a test")
    return store
