"""What lies in a store without being needed: left by writers that were stopped, or by nobody of ours."""

import re
from collections.abc import Iterator

from datamon.store.backend import Backend
from datamon.store.check.findings import Finding, capped, notice
from datamon.store.check.manifests import Library
from datamon.store.check.need import Need

_MOST_TOLD = 20
_KNOWN = re.compile(
    r"store\.json|blobs\.json|keys/[0-9]{20}|log/[0-9]{20}|repos/[0-9A-Za-z]{27}/log/[0-9]{20}"
    r"|journal/log|journal/[0-9A-Za-z]{27}/[0-9]{20}|journal/merged/[0-9]{20}|merged/[0-9]{20}-[0-9A-Za-z]{27}\.parquet|open/[0-9A-Za-z]{27}"
    r"|splits/[0-9A-Za-z]{27}/[0-9A-Za-z]{27}/[0-9A-Za-z]{27}|environments/[0-9a-f]{2}/[0-9a-f]{64}"
    r"|(manifests|segments|stats)/[0-9a-f]{2}/[0-9a-f]{64}(\.[0-9A-Za-z]{27})?"
    r"|results/[0-9a-f]{64}/[0-9A-Za-z]{27}"
    r"|stranded/[a-z0-9-]+/((repos/[0-9A-Za-z]{27}/)?log|journal/merged)/[0-9]{20}\.[0-9A-Za-z]{27}"
    r"|packs/[0-9a-f]{2}/[0-9A-Za-z]{27}-[0-9]{8}|index/[0-9A-Za-z]{27}\.parquet"
)
"""The keys of docs/format.md."""


def examine_strays(metadata: Backend, blob: Backend, library: Library, need: Need) -> Iterator[Finding]:
    """One notice that counts what no live bundle needs, and one for each key that datamon does not make."""
    packs = need.shelf.sizes.keys() - need.used
    parts = [name for key, names in library.names.items() if key not in library.needed for name in names]
    if packs or parts:
        size = sum(need.shelf.sizes[pack] for pack in packs)
        message = (
            f"{len(packs):,} packs ({size:,} bytes) and {len(parts):,} parts of manifests are needed by no bundle: "
            "of deleted bundles, or of uploads that were stopped or are at work; gc removes them"
        )
        yield notice("unreferenced", message)
    yield from capped(_unknown(metadata, blob), _MOST_TOLD)


def _unknown(metadata: Backend, blob: Backend) -> Iterator[Finding]:
    for backend in (metadata,) if metadata.url == blob.url else (metadata, blob):
        for stored in backend.list(""):
            if not _KNOWN.fullmatch(stored.key):
                message = f"datamon did not put {stored.key} into {backend.url}; move it to another place"
                yield notice("unknown-key", message, stored.key)
