"""A bucket of the emulator behind a proxy, and what may go wrong on the way to it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count

import pytest

from datamon.store.backend.gcs import GcsBackend
from datamon.store.backend.patience import HASTY, Patience
from datamon.store.testing.proxy import Proxy, Rule, running_proxy

FAULTS: Mapping[str, Rule] = {
    "503 before": Rule("refused", share=0.2),
    "429 before": Rule("refused", share=0.2, status=429),
    "500 before": Rule("refused", share=0.1, status=500),
    "bursts of 503": Rule("refused", share=0.05, burst=6),
    "broken before": Rule("broken", share=0.1),
    "lost after": Rule("lost", share=0.1),
    "truncated": Rule("truncated", share=0.2),
    "slow": Rule("slow", share=0.2),
    "stalled": Rule("stalled", most=2, share=0.2),
}
"""Every kind of fault that passes, so often that each try may meet it and the last does not."""
_prefixes = count()
_seeds = count()


@contextmanager
def spoilt_bucket(
    emulator: str, bucket: str, *rules: Rule, patience: Patience = HASTY
) -> Iterator[tuple[GcsBackend, Proxy]]:
    """An empty place in this bucket behind a proxy with these rules."""
    with running_proxy(emulator, *rules, seed=next(_seeds)) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        backend = GcsBackend(bucket, f"spoilt-{os.getpid()}-{next(_prefixes)}", patience=patience)
        yield backend, proxy
        backend.close()
