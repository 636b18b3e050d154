"""Who a person is to Google Cloud Storage: a service account's key file, or what the machine has."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from datamon.errors import Denied, Unavailable
from datamon.store.backend.gcs import GcsBackend
from datamon.store.backend.patience import Patience
from datamon.store.testing.emulator import make_buckets, running_emulator
from datamon.store.testing.proxy import Proxy, Rule, running_proxy
from datamon.store.testing.tokens import ACCOUNT, TokenEndpoint, running_token_endpoint

IMPATIENT = Patience(total_s=2.0, connect_s=1.0, read_s=5.0, first_pause_s=0.01, longest_pause_s=0.1)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with running_emulator() as url, running_proxy(url) as proxy:
        make_buckets(url, "team")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        yield proxy


@pytest.fixture
def tokens() -> Iterator[TokenEndpoint]:
    with running_token_endpoint() as tokens:
        yield tokens


@pytest.fixture
def key_file(tokens: TokenEndpoint, tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    path.write_text(tokens.key_file)
    return path


def member(key_file: Path | None) -> GcsBackend:
    return GcsBackend("team", "store", key_file, IMPATIENT)


def test_a_service_account_signs_for_a_token_and_every_request_carries_it(
    proxy: Proxy, tokens: TokenEndpoint, key_file: Path
) -> None:
    backend = member(key_file)
    backend.put("a", b"x")
    assert backend.put_if_absent("b", b"y")
    assert backend.get("a") == b"x"
    assert len(list(backend.list(""))) == 2
    assert backend.has("a")
    backend.delete("a")
    (claim,) = tokens.claims
    assert claim["iss"] == ACCOUNT
    assert "devstorage" in claim["scope"] or "cloud-platform" in claim["scope"]
    assert {request.authorization for request in proxy.requests} == {"Bearer token-1"}


def test_a_token_that_expired_is_asked_for_again(proxy: Proxy, tokens: TokenEndpoint, key_file: Path) -> None:
    """The service answers 401; the same call comes back with a fresh one."""
    backend = member(key_file)
    backend.put("a", b"x")
    proxy.obey(Rule("refused", most=1, status=401))
    assert backend.get("a") == b"x"
    assert [request.authorization for request in proxy.requests][-2:] == ["Bearer token-1", "Bearer token-2"]


def test_a_revoked_account_is_denied_with_the_next_step(proxy: Proxy, tokens: TokenEndpoint, key_file: Path) -> None:
    tokens.is_revoked = True
    for use in (lambda: member(key_file).get("a"), lambda: member(key_file).put("a", b"x")):
        with pytest.raises(Denied, match=r"Invalid JWT Signature.*check the credential and its rights"):
            use()
    assert proxy.requests == []


def test_a_key_that_is_another_accounts_is_denied(proxy: Proxy, key_file: Path) -> None:
    with running_token_endpoint() as other:
        told = json.loads(key_file.read_text()) | {"private_key": json.loads(other.key_file)["private_key"]}
    key_file.write_text(json.dumps(told))
    with pytest.raises(Denied, match="check the credential"):
        member(key_file).get("a")


def test_a_token_endpoint_that_is_away_is_unavailable(proxy: Proxy, tokens: TokenEndpoint, key_file: Path) -> None:
    tokens.close()
    with pytest.raises(Unavailable, match="try again later"):
        member(key_file).get("a")


def test_without_a_key_file_the_emulator_is_asked_by_nobody(proxy: Proxy) -> None:
    member(None).put("a", b"x")
    assert {request.authorization for request in proxy.requests} == {""}


def test_without_a_key_file_the_machines_own_credentials_are_used(
    proxy: Proxy, tokens: TokenEndpoint, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Google's library finds them: here through its environment variable."""
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("API_ENDPOINT_OVERRIDE", proxy.url)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))
    member(None).put("a", b"x")
    assert {request.authorization for request in proxy.requests} == {"Bearer token-1"}
    assert [claim["iss"] for claim in tokens.claims] == [ACCOUNT]
