"""Encrypted stores: which key opens them, what their bytes show, and that damage is found and never becomes a wrong file."""

import random
import stat
from pathlib import Path

import pytest
from blake3 import blake3

from datamon.errors import Conflict, Corrupt, Denied, Invalid
from datamon.lineage.testing.patient import Patient
from datamon.store import layout
from datamon.store.backend.memory import MemoryBackend
from datamon.store.bundle import Author
from datamon.store.check.identity import open_to_check
from datamon.store.codec import FORMAT, decode_sealed, encode_sealed
from datamon.store.encryption_key import EncryptionKey, key_of, new_key, read_key, write_key
from datamon.store.hashing import PLAIN
from datamon.store.key_change import change_key
from datamon.store.opening import Store, store_on
from datamon.store.put_tree import TreeSource, put_tree
from datamon.store.repair.repair import Damaged, Sources, repair
from datamon.store.repos import create_repo, list_repos
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.faults import WRITES, FaultyBackend

ADA = Author("Ada", "ada@example.org")
KEY = EncryptionKey(bytes(range(32)))
OTHER = EncryptionKey(bytes(32))
FEWEST_POSITIONS = 150
PARTS = 16
"""Every byte of the store takes long; a test may not."""


def refusal(metadata: MemoryBackend, key: EncryptionKey | None) -> Denied | Invalid:
    with pytest.raises((Denied, Invalid)) as raised:
        store_on(metadata, metadata, ADA, key=key)
    assert isinstance(raised.value, Denied | Invalid)
    return raised.value


@pytest.fixture
def place() -> MemoryBackend:
    """Where an encrypted store with one repo lies."""
    metadata = MemoryBackend()
    create_repo(store_on(metadata, metadata, ADA, key=KEY), "orders", "")
    return metadata


def repos(metadata: MemoryBackend, key: EncryptionKey | None) -> list[str]:
    return [repo.name for repo in list_repos(store_on(metadata, metadata, ADA, key=key))]


# Keys.


def test_the_key_opens_the_store(place: MemoryBackend) -> None:
    assert repos(place, KEY) == ["orders"]


def test_a_wrong_key_and_no_key_are_different_errors_and_change_nothing(place: MemoryBackend) -> None:
    before = [(stored.key, place.get(stored.key)) for stored in place.list("")]
    wrong, missing = refusal(place, OTHER), refusal(place, None)
    assert (type(wrong), wrong.code) == (Denied, "wrong-key")
    assert (type(missing), missing.code) == (Denied, "key-missing")
    for word in ("encryption.key_file", "DATAMON_ENCRYPTION_KEY_FILE", "DATAMON_ENCRYPTION_KEY"):
        assert word in missing.message
    assert [(stored.key, place.get(stored.key)) for stored in place.list("")] == before


def test_with_a_wrong_key_or_none_nothing_is_put_into_a_new_blob_place(place: MemoryBackend) -> None:
    for key in (OTHER, None):
        blob = FaultyBackend(MemoryBackend(), methods=WRITES)
        with pytest.raises(Denied):
            store_on(place, blob, ADA, key=key)
        assert blob.calls == []


def test_a_key_for_a_store_that_is_not_encrypted_is_refused() -> None:
    metadata = MemoryBackend()
    store_on(metadata, metadata, ADA)
    refused = refusal(metadata, KEY)
    assert (type(refused), refused.code) == (Invalid, "not-encrypted")


def test_a_check_asks_for_the_same_keys(place: MemoryBackend) -> None:
    for key, code in ((OTHER, "wrong-key"), (None, "key-missing")):
        with pytest.raises(Denied) as raised:
            open_to_check(place, place, ADA, key=key)
        assert raised.value.code == code


def test_an_earlier_version_would_stop_at_the_format(place: MemoryBackend) -> None:
    for key in (layout.STORE, layout.BLOBS):
        with pytest.raises(Invalid) as raised:
            decode_sealed(place.get(key), key, newest=FORMAT)
        assert raised.value.code == "newer-format"


def test_an_encryption_that_is_not_known_is_a_newer_format(place: MemoryBackend) -> None:
    record = decode_sealed(place.get(layout.STORE), "", newest=2)
    place.put(layout.STORE, encode_sealed({**record, "encryption": {**record["encryption"], "cipher": "rot13"}}))
    assert refusal(place, KEY).code == "newer-format"


def test_a_damaged_key_record_is_corrupt_and_not_a_wrong_key(place: MemoryBackend) -> None:
    content = place.get(layout.STORE)
    for at in range(len(content)):
        place.put(layout.STORE, content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(Corrupt):
            store_on(place, place, ADA, key=KEY)


def test_a_key_file_is_read_as_it_was_written_and_is_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "store.key"
    write_key(file, KEY)
    assert read_key(file) == KEY
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key_of(KEY.text, "it") == KEY


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "store.key"
    write_key(file, KEY)
    with pytest.raises(Conflict):
        write_key(file, OTHER)
    assert read_key(file) == KEY


@pytest.mark.parametrize(
    "text", ["", "x", KEY.text[:-8], KEY.text + "A", KEY.text + "\n" + KEY.text, "datamon-key-1:é"]
)
def test_a_malformed_key_is_told_without_showing_it(text: str) -> None:
    with pytest.raises(Invalid) as raised:
        key_of(text, "the file k")
    assert raised.value.code == "bad-encryption-key"
    assert not text or text not in raised.value.message


def test_keys_are_not_shown() -> None:
    for shown in (repr(KEY), str(KEY), repr(store_on(MemoryBackend(), MemoryBackend(), ADA, key=KEY).hashing)):
        assert KEY.text not in shown
        assert repr(KEY.content) not in shown
        assert "key=" not in shown
    assert new_key() != new_key()


# Changing the key.


def test_after_a_change_the_new_key_opens_the_store_and_the_old_one_does_not(place: MemoryBackend) -> None:
    change_key(place, KEY, OTHER)
    assert repos(place, OTHER) == ["orders"]
    assert refusal(place, KEY).code == "wrong-key"
    change_key(place, OTHER, KEY)
    assert repos(place, KEY) == ["orders"]
    assert refusal(place, OTHER).code == "wrong-key"


def test_only_who_has_the_key_changes_it(place: MemoryBackend) -> None:
    for key, code in ((OTHER, "wrong-key"), (None, "key-missing")):
        with pytest.raises(Denied) as raised:
            change_key(place, key, OTHER)
        assert raised.value.code == code
    assert repos(place, KEY) == ["orders"]


def test_a_store_that_is_not_encrypted_has_no_key_to_change() -> None:
    metadata = MemoryBackend()
    store_on(metadata, metadata, ADA)
    with pytest.raises(Invalid) as raised:
        change_key(metadata, None, KEY)
    assert raised.value.code == "not-encrypted"


def test_a_damaged_change_of_the_key_is_corrupt(place: MemoryBackend) -> None:
    change_key(place, KEY, OTHER)
    content = place.get(layout.key_change(1))
    place.put(layout.key_change(1), content[:50] + b"?" + content[51:])
    with pytest.raises(Corrupt):
        store_on(place, place, ADA, key=OTHER)


# Ids.


def uploaded(root: Path, key: EncryptionKey | None) -> Store:
    store = store_on(MemoryBackend(), MemoryBackend(), ADA, key=key)
    put_tree(store, TreeSource(root))
    return store


def test_nobody_without_the_key_can_test_for_known_content(tmp_path: Path) -> None:
    contents = [b"known", random_bytes("large", 400_000)]
    for number, content in enumerate(contents):
        (tmp_path / str(number)).write_bytes(content)
    stores = [uploaded(tmp_path, KEY), uploaded(tmp_path, KEY), uploaded(tmp_path, OTHER), uploaded(tmp_path, None)]
    for content in contents:
        ids = {store.hashing.chunk(content) for store in stores}
        assert len(ids) == 4  # each store has a key of its own, whoever opens it
        assert PLAIN.chunk(content) in ids
    assert [store.chunks.has(store.hashing.chunk(b"known")) for store in stores] == [True] * 4
    assert [store.chunks.has(PLAIN.chunk(b"known")) for store in stores] == [False] * 3 + [True]


def test_keyed_ids_are_blake3_under_a_key(tmp_path: Path) -> None:
    store = store_on(MemoryBackend(), MemoryBackend(), ADA, key=KEY)
    assert store.hashing.key is not None
    assert store.hashing.content(b"x") == blake3(b"x", key=store.hashing.key).hexdigest()


# Damage.


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    return Patient.make(tmp_path_factory.mktemp("patient"), key=KEY)


def test_the_encrypted_store_is_clean(patient: Patient) -> None:
    assert [finding.code for finding in patient.findings()] == ["unreferenced"]


def flips(patient: Patient, fewest: int) -> list[tuple[str, int]]:
    chance = random.Random(7)
    contents = patient.contents()
    total = sum(map(len, contents.values()))
    return [
        (key, at)
        for key, content in contents.items()
        for at in sorted(
            {0, len(content) - 1, *(chance.randrange(len(content)) for _ in range(1 + fewest * len(content) // total))}
        )
    ]


def plain_keys(patient: Patient) -> dict[str, str]:
    """The key that each of the place's names stands for: the one that is gone when that is."""
    found = {}
    store = patient.open()

    def listed() -> set[str]:
        return {stored.key for backend in (store.metadata, store.blob) for stored in backend.list("")}

    everything = listed()
    for seen in patient.all_keys():
        with patient.kept(seen):
            patient.where(seen).delete(seen)
            [found[seen]] = everything - listed()
    return found


def assert_flips_found(patient: Patient, positions: list[tuple[str, int]], scratch: Path) -> None:
    plain = plain_keys(patient)
    for key, at in positions:
        with patient.kept(key):
            patient.flip(key, at)
            damage = {finding.key for finding in patient.findings() if finding.is_damage}
            assert plain[key] in damage or plain[key] in patient.made.unneeded, (key, at)
            if not key.startswith((layout.STORE, layout.BLOBS)):
                patient.download_all(scratch)  # each right, or Corrupt


def test_a_changed_byte_of_an_encrypted_store_is_found_and_never_becomes_a_wrong_file(
    patient: Patient, tmp_path: Path
) -> None:
    assert_flips_found(patient, flips(patient, FEWEST_POSITIONS), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_changed_byte_of_an_encrypted_store_is_found(patient: Patient, tmp_path: Path, part: int) -> None:
    positions = [(key, at) for key, content in patient.contents().items() for at in range(part, len(content), PARTS)]
    assert_flips_found(patient, positions, tmp_path)


@pytest.mark.parametrize("key", [layout.STORE, layout.BLOBS])
def test_a_lost_identity_is_made_again_with_its_key(patient: Patient, key: str) -> None:
    sick = patient.copy()
    before = sick.where(key).get(key)
    sick.where(key).delete(key)
    repaired = repair(Damaged(sick.metadata, sick.blob, ADA, key=KEY), Sources())
    assert repaired.left == ()
    record = decode_sealed(sick.where(key).get(key), key, newest=2)
    assert record["encryption"] == decode_sealed(before, key, newest=2)["encryption"]


def test_a_repair_takes_what_is_damaged_from_a_copy(patient: Patient) -> None:
    sick, copy = patient.copy(), patient.copy().open()
    for key in sick.all_keys():
        if key not in (layout.STORE, layout.BLOBS):
            sick.flip(key, 20)
    assert sick.damage()
    repaired = repair(Damaged(sick.metadata, sick.blob, ADA, key=KEY), Sources((copy,)))
    assert [finding for finding in repaired.left if finding.is_damage] == []
    assert sick.damage() == []
