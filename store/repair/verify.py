"""Whether bytes are those that a key of the store promises, judged by the bytes alone; and putting them there."""

from blake3 import blake3

from datamon.errors import Corrupt
from datamon.store import layout
from datamon.store.backend import Backend
from datamon.store.codec import decode_sealed
from datamon.store.ids import ManifestId
from datamon.store.index_segments import decode_segment
from datamon.store.named import plain_key, put_named
from datamon.store.packs import check_pack
from datamon.store.roots import decode_root
from datamon.store.seal import unseal


def verify_bytes(key: str, content: bytes) -> None:
    """Returns when `content` is whole and may lie under `key`. A segment of a manifest is judged by its seal: whether its rows
    are those that it is named by only its root can tell. Raises Corrupt, Invalid (`newer-format`)."""
    name = plain_key(key).rpartition("/")[2]
    if key.startswith(layout.PACKS):
        check_pack(content, key)
    elif key.startswith(layout.INDEX):
        decode_segment(key, content)
    elif key.startswith(layout.MANIFESTS):
        decode_root(content, ManifestId(name), key)
    elif key.startswith((layout.SEGMENTS, layout.STATS, layout.MERGED)):
        unseal(content, key)
    elif key.startswith(layout.ENVIRONMENTS):
        if blake3(content).hexdigest() != name:
            raise Corrupt(
                "bad-bytes", f"{key} does not have the hash it is named by; take it from another copy", where=key
            )
    else:
        decode_sealed(content, key)


def replace_named(metadata: Backend, key: str, content: bytes, condemned: frozenset[str]) -> None:
    """The part of a manifest that `key` names is `content`, which was verified: in the place of what is damaged there or, where
    nothing may be put under the key any more, as an incarnation."""
    if key in condemned or not metadata.has(key):
        put_named(metadata, plain_key(key), lambda: content, condemned)
    else:
        metadata.put(key, content)
