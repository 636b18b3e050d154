"""The kinds of place that a whole session must work on, each as the settings of a person whose store lies there."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from datamon.store.backend.local import LocalBackend
from datamon.store.bundle import Author
from datamon.store.contexts import SharedContexts
from datamon.store.encryption_key import new_key
from datamon.store.testing.emulator import make_buckets, running_emulator
from datamon.store.testing.proxy import Rule, running_proxy
from datamon.store.testing.tokens import running_token_endpoint


@dataclass(frozen=True)
class StorePlace:
    """Where the store of a test lies: what the environment says of it, and what its key file holds."""

    variables: Mapping[str, str]
    key_file: str = "{}"


def local_place(_: Path) -> Iterator[StorePlace]:
    """The default: below the home directory."""
    yield StorePlace({})


def bucket_place(root: Path) -> Iterator[StorePlace]:
    """Metadata and blobs in two buckets, each below a prefix; a service account; what was read is cached, as it is by default."""
    with running_emulator() as url, running_token_endpoint() as tokens:
        make_buckets(url, "team-metadata", "team-blob")
        variables = {
            "STORAGE_EMULATOR_HOST": url,
            "DATAMON_METADATA": "team-metadata/shared/store",
            "DATAMON_BLOB": "gs://team-blob/shared",
        }
        yield StorePlace(variables, tokens.key_file)
        assert tokens.claims
        assert [*root.rglob("cache/??/*")]


def spoilt_bucket_place(_: Path) -> Iterator[StorePlace]:
    """The same, where every tenth request goes wrong in one way or another; cached as well."""
    rules = [
        Rule("refused", share=0.04, burst=2),
        Rule("lost", share=0.03),
        Rule("truncated", share=0.05),
        Rule("slow", share=0.1),
    ]
    with running_emulator() as url, running_proxy(url, *rules, seed=4) as proxy, running_token_endpoint() as tokens:
        make_buckets(url, "team-metadata", "team-blob")
        variables = {
            "STORAGE_EMULATOR_HOST": proxy.url,
            "DATAMON_METADATA": "gs://team-metadata/m",
            "DATAMON_BLOB": "gs://team-blob/b",
        }
        yield StorePlace(variables, tokens.key_file)
        assert proxy.spoilt.total() > 0


def uncached_spoilt_bucket_place(root: Path) -> Iterator[StorePlace]:
    """The same, and nothing is cached."""
    for place in spoilt_bucket_place(root):
        yield StorePlace({**place.variables, "DATAMON_CACHE_SIZE": "0"}, place.key_file)
        assert not [*root.rglob("cache/??/*")]


def encrypted_place(_: Path) -> Iterator[StorePlace]:
    """Below the home directory, encrypted."""
    yield StorePlace({"DATAMON_ENCRYPTION_KEY": new_key().text})


def encrypted_bucket_place(root: Path) -> Iterator[StorePlace]:
    """In a bucket, encrypted, and what was read is cached."""
    for place in bucket_place(root):
        yield StorePlace({**place.variables, "DATAMON_ENCRYPTION_KEY": new_key().text}, place.key_file)


def mirrored_place(root: Path) -> Iterator[StorePlace]:
    """Two directories that each have everything."""
    sides = [
        {"name": side, "metadata": str(root / side / "m"), "blob": str(root / side / "b")} for side in ("eu", "us")
    ]
    yield StorePlace(mirroring(root, sides))


def mirrored_bucket_place(root: Path) -> Iterator[StorePlace]:
    """A bucket, where every tenth request goes wrong, and a directory; the bucket decides."""
    for place in spoilt_bucket_place(root):
        where = {"metadata": place.variables["DATAMON_METADATA"], "blob": place.variables["DATAMON_BLOB"]}
        sides = [{"name": "far", **where}, {"name": "near", "metadata": str(root / "near")}]
        told = {"STORAGE_EMULATOR_HOST": place.variables["STORAGE_EMULATOR_HOST"]}
        yield StorePlace({**told, **mirroring(root, sides)}, place.key_file)


def sealed_sides_place(root: Path) -> Iterator[StorePlace]:
    """Two directories that each have everything, encrypted."""
    for place in mirrored_place(root):
        yield StorePlace({**place.variables, "DATAMON_ENCRYPTION_KEY": new_key().text}, place.key_file)


def mirroring(root: Path, sides: list[dict[str, str]]) -> dict[str, str]:
    """What the environment says of a store with these sides, by a context that a team shares."""
    shared = SharedContexts(LocalBackend(root / "contexts"), Author("Ada", "ada@example.org"))
    shared.create("team", {"mirror": {"sides": sides}})
    return {"DATAMON_GLOBAL_CONFIG": str(root / "contexts"), "DATAMON_CONTEXT": "team"}


PLACES: Mapping[str, Callable[[Path], Iterator[StorePlace]]] = {
    "local": local_place,
    "cached bucket": bucket_place,
    "cached spoilt bucket": spoilt_bucket_place,
    "spoilt bucket without a cache": uncached_spoilt_bucket_place,
    "encrypted": encrypted_place,
    "encrypted cached bucket": encrypted_bucket_place,
    "mirrored": mirrored_place,
    "mirrored cached spoilt bucket": mirrored_bucket_place,
    "mirrored encrypted": sealed_sides_place,
}
"""Each is given an empty folder, and has its place until it is closed."""
