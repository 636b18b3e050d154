"""The hashes by which the first datamon names leaves and files: BLAKE2b-512 in its tree mode (RFC 7693, section 2.8 of the
BLAKE2 paper), with the first datamon's own numbers of nodes."""

from dataclasses import dataclass
from hashlib import blake2b

KEY_BYTES = 64
_DEPTH = 2
_SHORT_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True)
class LeafRule:
    """How the files of one bundle were cut: `size_bytes` is what was hashed with, `content_bytes` how much of a file each leaf
    but the last has."""

    size_bytes: int
    content_bytes: int

    @staticmethod
    def of(size_bytes: int, version: int) -> "LeafRule":
        """That of a bundle with this leaf size and version: before version 1 each leaf ended 32 KiB early."""
        return LeafRule(size_bytes, size_bytes - (_SHORT_BYTES if version < 1 else 0))

    def count(self, file_bytes: int) -> int:
        """How many leaves a file has."""
        return -(-file_bytes // self.content_bytes)

    def length(self, file_bytes: int, leaf: int) -> int:
        """How many bytes leaf `leaf`, from 0, has."""
        return min(self.content_bytes, file_bytes - leaf * self.content_bytes)


def leaf_key(content: bytes, leaf: int, rule: LeafRule) -> bytes:
    """The key of leaf `leaf`, from 0. A full one is hashed with its number from 1; a last one that is not full with the number of
    those before it, and as the last node."""
    is_full = len(content) == rule.content_bytes
    return _hashed(content, rule, node_depth=0, node_offset=leaf + is_full, last_node=not is_full)


def root_key(leaf_keys: bytes, rule: LeafRule) -> bytes:
    """The key of a file, from the keys of its leaves one after the other; an empty file has none."""
    return _hashed(leaf_keys, rule, node_depth=1, node_offset=0, last_node=True)


def _hashed(content: bytes, rule: LeafRule, *, node_depth: int, node_offset: int, last_node: bool) -> bytes:
    return blake2b(
        content,
        digest_size=KEY_BYTES,
        fanout=0,
        depth=_DEPTH,
        leaf_size=rule.size_bytes,
        inner_size=KEY_BYTES,
        node_depth=node_depth,
        node_offset=node_offset,
        last_node=last_node,
    ).digest()
