"""The kinds of place that a whole session must work on, each as the settings of a person whose store lies there."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

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


def bucket_place(_: Path) -> Iterator[StorePlace]:
    """Metadata and blobs in two buckets, each below a prefix; a service account; what was read is cached."""
    with running_emulator() as url, running_token_endpoint() as tokens:
        make_buckets(url, "team-metadata", "team-blob")
        variables = {
            "STORAGE_EMULATOR_HOST": url,
            "DATAMON_METADATA": "team-metadata/shared/store",
            "DATAMON_BLOB": "gs://team-blob/shared",
        }
        yield StorePlace(variables, tokens.key_file)
        assert tokens.claims


def spoilt_bucket_place(_: Path) -> Iterator[StorePlace]:
    """The same, where every tenth request goes wrong in one way or another."""
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


PLACES: Mapping[str, Callable[[Path], Iterator[StorePlace]]] = {
    "local": local_place,
    "bucket": bucket_place,
    "spoilt bucket": spoilt_bucket_place,
}
"""Each is given an empty folder, and has its place until it is closed."""
