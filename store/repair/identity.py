"""What says which store this is, made again: each of its two records from the other, or from a copy."""

from collections.abc import Iterable

from datamon.store import layout
from datamon.store.check.findings import Finding
from datamon.store.opening import CHUNKING, Store, identity_record


def mend_identity(store: Store, copies: Iterable[Store], findings: Iterable[Finding]) -> int:
    """Both records stand whole; returns how many had to be made. The time of creation is the copy's where there is one, else that
    of the store's id."""
    mended = 0
    for key in {finding.key for finding in findings}:
        if key == layout.STORE:
            created = next((copy.created_ns for copy in copies), store.created_ns)
            fields = {"store": store.id, "created": created, "chunking": CHUNKING, "hash": "blake3"}
            store.metadata.put(key, identity_record("store", fields, store.encryption))
            mended += 1
        elif key == layout.BLOBS:
            store.blob.put(key, identity_record("blobs", {"store": store.id}, store.encryption))
            mended += 1
    return mended
