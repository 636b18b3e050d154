"""A signed run is believed as long as its statement, its record and the store say the same, and not a moment longer."""

import base64
import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from datamon.errors import Conflict, Invalid
from datamon.lineage.interchange.dsse import create_keys, key_id, opened, read_public_key, read_signing_key, signed
from datamon.lineage.interchange.in_toto import PAYLOAD_TYPE
from datamon.lineage.interchange.signing import Verified, sign_run, signature, signing_with, verify
from datamon.lineage.interchange.story import Story, Telling, tell
from datamon.lineage.interchange.survey import journal_events
from datamon.lineage.testing.chain import Chain
from datamon.store.codec import Record
from datamon.store.ids import ContentId


@pytest.fixture
def key(tmp_path: Path) -> Path:
    create_keys(tmp_path / "ada.key")
    return tmp_path / "ada.key"


def public(key: Path) -> str:
    return read_public_key(key.with_name(f"{key.name}.pub"))


def told(chain: Chain) -> Telling:
    return tell(chain.store, [chain.features, chain.model])


def verdicts(chain: Chain, *trusted: str) -> list[tuple[str, str]]:
    return [(each.step, each.verdict) for each in verify(told(chain), trusted)]


def sign_both(chain: Chain, key: Path) -> None:
    for story in told(chain).stories:
        sign_run(chain.store, story, read_signing_key(key))


def test_what_was_signed_is_good_and_what_was_not_is_told(chain: Chain, key: Path) -> None:
    sign_run(chain.store, told(chain).stories[0], read_signing_key(key))

    assert verdicts(chain, public(key)) == [("p/features", "good"), ("p/model", "unsigned")]


def test_a_signature_of_a_key_that_is_not_trusted_does_not_count(chain: Chain, key: Path, tmp_path: Path) -> None:
    create_keys(tmp_path / "eve.key")
    sign_both(chain, tmp_path / "eve.key")

    assert verdicts(chain, public(key)) == [("p/features", "untrusted"), ("p/model", "untrusted")]
    sign_both(chain, key)
    assert verdicts(chain, public(key)) == [("p/features", "good"), ("p/model", "good")]


def test_a_run_is_signed_when_it_ends_where_a_key_is_set(chain: Chain, key: Path) -> None:
    chain.bench.policy = replace(chain.bench.policy, sign=signing_with(key))
    outcome = chain.bench.record("true", pipeline="p", step="later")

    assert [each.verdict for each in verify(tell(chain.store, [outcome.run]), [public(key)])] == ["good"]


def tampered(event: Record, change: Any) -> Record:
    changed = copy.deepcopy(event)
    change(changed)
    return changed


def payload(event: Record, change: Any) -> None:
    statement = json.loads(base64.b64decode(event["envelope"]["payload"]))
    change(statement)
    event["envelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()


@pytest.mark.parametrize(
    "change",
    [
        lambda event: payload(event, lambda said: said["subject"][0]["digest"].update(datamonContent1="0" * 64)),
        lambda event: payload(event, lambda said: said["predicate"]["buildDefinition"].pop("resolvedDependencies")),
        lambda event: event["envelope"]["signatures"][0].update(sig=base64.b64encode(bytes(64)).decode()),
        lambda event: event["envelope"]["signatures"].clear(),
        lambda event: event["envelope"].update(payloadType="text/plain"),
        lambda event: event.update(key="0" * 64),
        lambda event: event.update(public="no key"),
        lambda event: event.pop("envelope"),
        lambda event: event["envelope"].update(payload="!"),
    ],
)
def test_a_statement_that_was_tampered_with_is_refused(chain: Chain, key: Path, change: Any) -> None:
    story = told(chain).stories[0]
    assert story.closing is not None
    good = signature(read_signing_key(key), chain.store.id, story.opening, story.closing)
    chain.store.journal.append(tampered(good, change))

    [found] = verify(Telling(chain.store, (story,)), ())
    assert (found.verdict, found.is_bad) == ("bad-signature", True)


def judged(chain: Chain, key: Path, story: Story) -> Verified:
    """What is said of the first run, signed as it was recorded, when its story is another."""
    sign_run(chain.store, told(chain).stories[0], read_signing_key(key))
    [found] = verify(Telling(chain.store, (story,)), ())
    return found


def test_a_record_that_was_altered_disagrees_with_what_was_signed(chain: Chain, key: Path) -> None:
    story = told(chain).stories[0]
    opening = {**story.opening, "argv": ["something", "else"]}

    found = judged(chain, key, replace(story, opening=opening))
    assert found.verdict == "disagrees"
    assert "run-opened" in found.message


def test_an_output_that_was_altered_is_named(chain: Chain, key: Path) -> None:
    story = told(chain).stories[0]
    assert story.closing is not None
    closing = copy.deepcopy(story.closing)
    closing["outputs"][0]["content"] = "0" * 64

    found = judged(chain, key, replace(story, closing=closing))
    assert found.verdict == "disagrees"
    assert "features@" in found.message


def test_a_store_that_has_another_content_now_disagrees(chain: Chain, key: Path) -> None:
    story = told(chain).stories[0]
    altered = {name: replace(bundle, content=ContentId("0" * 64)) for name, bundle in story.bundles.items()}

    assert judged(chain, key, replace(story, bundles=altered)).verdict == "disagrees"


def test_the_signature_of_one_run_is_none_of_another(chain: Chain, key: Path) -> None:
    first, second = told(chain).stories
    assert first.closing is not None
    event = signature(read_signing_key(key), chain.store.id, first.opening, first.closing)
    chain.store.journal.append({**event, "run": second.run.id})

    [found] = verify(Telling(chain.store, (second,)), ())
    assert found.verdict == "disagrees"


def test_a_run_that_goes_on_cannot_be_signed(chain: Chain, key: Path) -> None:
    [story] = tell(chain.store, [chain.running]).stories

    with pytest.raises(Invalid) as caught:
        sign_run(chain.store, story, read_signing_key(key))
    assert caught.value.code == "bad-argument"


def test_the_envelope_is_dsse_by_another_hand(chain: Chain, key: Path) -> None:
    sign_both(chain, key)
    event = next(each for each in journal_events(chain.store) if each["kind"] == "run-signed")

    envelope = event["envelope"]
    body, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    loaded = load_pem_public_key(event["public"].encode())
    assert isinstance(loaded, Ed25519PublicKey)
    # The specification of DSSE: "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body.
    loaded.verify(
        base64.b64decode(envelope["signatures"][0]["sig"]), b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)
    )


def test_a_key_is_the_owners_alone_and_never_overwritten(key: Path) -> None:
    assert key.stat().st_mode & 0o777 == 0o600
    assert "private" not in repr(read_signing_key(key)).lower()
    with pytest.raises(Conflict):
        create_keys(key)


@pytest.mark.parametrize("content", ["", "nothing", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "k").write_text(content)

    for read in (read_public_key, read_signing_key):
        with pytest.raises(Invalid) as caught:
            read(tmp_path / "k")
        assert caught.value.code == "bad-signing-key"


@given(at=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_no_bit_of_a_payload_or_signature_can_be_turned(at: int, bit: int, signed_once: tuple[Record, str]) -> None:
    envelope, trusted = copy.deepcopy(signed_once[0]), signed_once[1]
    body, sig = base64.b64decode(envelope["payload"]), base64.b64decode(envelope["signatures"][0]["sig"])
    turned = bytearray(body + sig)
    turned[at % len(turned)] ^= 1 << bit
    envelope["payload"] = base64.b64encode(turned[: len(body)]).decode()
    envelope["signatures"][0]["sig"] = base64.b64encode(turned[len(body) :]).decode()

    with pytest.raises(ValueError):
        opened(envelope, PAYLOAD_TYPE, trusted)


@pytest.fixture(scope="module")
def signed_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, str]:
    file = tmp_path_factory.mktemp("keys") / "k"
    create_keys(file)
    key = read_signing_key(file)
    assert key_id(key.public) == key.id
    return signed(key, PAYLOAD_TYPE, {"subject": ["été"], "n": 1}), key.public
