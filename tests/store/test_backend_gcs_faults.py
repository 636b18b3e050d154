"""The Google Cloud Storage backend through a proxy that spoils requests: the contract holds, and what cannot is told."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from datamon.errors import Denied, Unavailable
from datamon.store.backend import Backend, Span
from datamon.store.backend.gcs import GcsBackend
from datamon.store.backend.patience import HASTY, Patience
from datamon.store.forking import fork, undisturbed
from datamon.store.testing import contract
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.emulator import make_buckets, running_emulator
from datamon.store.testing.proxy import Proxy, Rule
from datamon.store.testing.spoilt_buckets import FAULTS, spoilt_bucket

BUCKET = "datamon-test"
IMPATIENT = Patience(total_s=1.5, connect_s=1.0, read_s=1.0, first_pause_s=0.01, longest_pause_s=0.05)


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with running_emulator() as url:
        make_buckets(url, BUCKET)
        yield url


def through(
    emulator: str, *rules: Rule, patience: Patience = HASTY
) -> AbstractContextManager[tuple[GcsBackend, Proxy]]:
    """An empty place behind a proxy with these rules."""
    return spoilt_bucket(emulator, BUCKET, *rules, patience=patience)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
def test_the_contract_holds_whatever_the_network_does(
    check: Callable[[Backend], None], fault: str, emulator: str
) -> None:
    with through(emulator, FAULTS[fault]) as (backend, _):
        check(backend)


def test_a_winner_whose_answer_was_lost_learns_that_it_won(emulator: str) -> None:
    """Its second try is refused, since its first had made the object."""
    with through(emulator, Rule("lost", most=1)) as (backend, proxy):
        assert backend.put_if_absent("log/1", b"mine")
        assert proxy.counted() == {"put": 2, "has": 1}
        assert backend.get("log/1") == b"mine"


def test_a_loser_whose_answer_was_lost_learns_that_it_lost(emulator: str) -> None:
    """Also with the very bytes that the winner wrote."""
    with through(emulator) as (backend, proxy):
        backend.put_if_absent("log/1", b"same")
        proxy.obey(Rule("lost", most=1))
        assert not backend.put_if_absent("log/1", b"same")


def test_a_winner_whose_every_answer_is_lost_learns_that_it_won(emulator: str) -> None:
    """The library gives up, and the log entry stands."""
    with through(emulator, Rule("lost", methods=frozenset({"put"})), patience=IMPATIENT) as (backend, _):
        assert backend.put_if_absent("log/1", b"mine")


def test_a_put_whose_answer_was_lost_is_sent_again(emulator: str) -> None:
    with through(emulator, Rule("lost", most=1)) as (backend, proxy):
        backend.put("a", b"x")
        assert proxy.counted() == {"put": 2}
        assert backend.get("a") == b"x"


def test_a_refused_precondition_is_not_sent_again(emulator: str) -> None:
    """Defect 9 of the original: making a repo that exists took 21 s to fail, since the refusal was retried."""
    with through(emulator) as (backend, proxy):
        backend.put_if_absent("log/1", b"x")
        proxy.forget()
        assert not backend.put_if_absent("log/1", b"y")
        assert proxy.counted() == {"put": 1, "has": 1}


def test_every_call_is_one_request(emulator: str) -> None:
    """Also the upload of a whole pack, for which the library would need two."""
    with through(emulator, patience=Patience()) as (backend, proxy):
        backend.put("packs/0", [random_bytes("pack", backend.pack_bytes)] * 2)
        assert backend.put_if_absent("a", b"x")
        assert backend.get("packs/0", Span(-7, 7)) == random_bytes("pack", backend.pack_bytes)[-7:]
        assert backend.has("a")
        assert len(list(backend.list(""))) == 2
        backend.delete("a")
        assert proxy.counted() == {"put": 2, "get": 1, "has": 1, "list": 1, "delete": 1}


@pytest.mark.parametrize("kind", ["truncated", "stalled"])
@pytest.mark.parametrize("span", [None, Span(10, 20_000), Span(-40_000, 40_000)])
def test_half_a_body_is_an_error_and_never_short_bytes(kind: str, span: Span | None, emulator: str) -> None:
    with through(emulator, patience=IMPATIENT) as (backend, proxy):
        backend.put("a", random_bytes("a", 30_000))
        proxy.obey(Rule("truncated" if kind == "truncated" else "stalled"))
        with pytest.raises(Unavailable, match="try again later"):
            backend.get("a", span)


def test_a_flipped_bit_in_a_body_is_noticed_by_the_stored_checksum(emulator: str) -> None:
    content = random_bytes("a", 100_000)
    with through(emulator, patience=IMPATIENT) as (backend, proxy):
        backend.put("a", content)
        proxy.obey(Rule("flipped", most=1))
        assert backend.get("a") == content
        proxy.obey(Rule("flipped"))
        with pytest.raises(Unavailable, match="CRC32C"):
            backend.get("a")


def test_bytes_that_were_damaged_on_the_way_up_are_never_acknowledged(emulator: str) -> None:
    """The service refuses them by the CRC32C that is sent along; the emulator, which does not look at it, tells its own."""
    rule = Rule("flipped-up")
    with through(emulator, rule, patience=IMPATIENT) as (backend, _), pytest.raises(Unavailable, match="write a"):
        backend.put("a", random_bytes("a", 10_000))


USES: dict[str, Callable[[Backend], object]] = {
    "get": lambda backend: backend.get("a"),
    "put": lambda backend: backend.put("a", b""),
    "list": lambda backend: [*backend.list("")],
}


@pytest.mark.parametrize("method", USES)
def test_what_lasts_is_told_after_the_patience_is_used_up(method: str, emulator: str) -> None:
    with through(emulator, Rule("refused"), patience=IMPATIENT) as (backend, proxy):
        with pytest.raises(Unavailable, match="spoilt by the test"):
            USES[method](backend)
        assert 1 < len(proxy.requests) < 300


def test_a_side_that_disappears_for_good_is_unavailable(emulator: str) -> None:
    with through(emulator, patience=IMPATIENT) as (backend, proxy):
        backend.put("a", b"x")
        proxy.vanish()
        with pytest.raises(Unavailable, match="try again later"):
            backend.get("a")
        with pytest.raises(Unavailable, match="try again later"):
            backend.put_if_absent("b", b"x")


def test_a_place_that_used_up_all_patience_gets_one_try_a_request_until_it_answers(emulator: str) -> None:
    with through(emulator, Rule("refused"), patience=IMPATIENT) as (backend, proxy):
        with pytest.raises(Unavailable):
            backend.has("a")
        proxy.forget()
        with pytest.raises(Unavailable):
            backend.has("a")
        assert len(proxy.requests) == 1
        proxy.obey()
        assert not backend.has("a")
        proxy.obey(Rule("refused", most=proxy.spoilt["refused"] + 1))
        assert not backend.has("a")


@pytest.mark.parametrize("status", [400, 501])
def test_what_will_not_pass_is_not_sent_again(status: int, emulator: str) -> None:
    with through(emulator, Rule("refused", status=status, methods=frozenset({"delete"}))) as (backend, proxy):
        with pytest.raises(Unavailable):
            backend.delete("a")
        assert proxy.counted() == {"delete": 1}


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_denied_with_the_next_step(status: int, emulator: str) -> None:
    with through(emulator, Rule("refused", status=status)) as (backend, proxy):
        with pytest.raises(Denied, match="check the credential and its rights") as told:
            backend.get("a")
        assert told.value.code == "unreadable"
        with pytest.raises(Denied) as told:
            backend.put("a", b"x")
        assert told.value.code == "unwritable"
        assert all(request.agent.startswith("datamon/") for request in proxy.requests)


def test_a_forked_process_has_connections_of_its_own(emulator: str) -> None:
    """Two processes that wrote on one connection would read each other's answers."""
    with through(emulator) as (backend, _):
        backend.put("a", b"parent")
        reading, writing = os.pipe()

        def life() -> None:
            backend.put("b", b"child")
            os.write(writing, b"ok" if backend.get("a") == b"parent" and backend._client is not client else b"no")

        client = backend._client
        with undisturbed():
            child = fork(life)
        os.close(writing)
        with open(reading, "rb") as told:
            assert told.read() == b"ok"
        with undisturbed():
            os.waitpid(child, 0)
        assert backend._client is client
        assert backend.get("b") == b"child"
