"""A service account of our own, and the endpoint that gives it tokens: what Google's would do for a real one."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ACCOUNT = "datamon@team.iam.gserviceaccount.com"


class TokenEndpoint:
    """A running endpoint at `url`. It grants a token of its own to whoever shows a claim that the account's key signed; `claims`
    are those that it was shown. While `is_revoked`, it refuses, as Google does when the key was deleted."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.claims: list[dict[str, Any]] = []
        self.is_revoked = False

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/token"

    @property
    def key_file(self) -> str:
        """What a service account's key file says."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        told = {
            "type": "service_account",
            "project_id": "team",
            "private_key_id": "1",
            "private_key": pem.decode(),
            "client_email": ACCOUNT,
            "client_id": "1",
            "token_uri": self.url,
        }
        return json.dumps(told)

    def grant(self, assertion: str) -> dict[str, Any] | None:
        """The answer to a claim; None when it is not the account's, or the account's key is revoked."""
        signed, _, signature = assertion.rpartition(".")
        try:
            self._key.public_key().verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return None
        self.claims.append(json.loads(_decoded(signed.partition(".")[2])))
        if self.is_revoked:
            return None
        return {"access_token": f"token-{len(self.claims)}", "expires_in": 3_600, "token_type": "Bearer"}

    def close(self) -> None:
        """It listens no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def running_token_endpoint() -> Iterator[TokenEndpoint]:
    """An endpoint inside the block."""
    endpoint = TokenEndpoint()
    try:
        yield endpoint
    finally:
        endpoint.close()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _handler(endpoint: TokenEndpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            granted = endpoint.grant(asked["assertion"][0])
            refusal = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            content = json.dumps(granted or refusal).encode()
            self.send_response_only(200 if granted else 400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
            """Says nothing."""

    return Handler
