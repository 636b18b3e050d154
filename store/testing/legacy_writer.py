"""A small writer of the first datamon's layout, made from its description alone: nothing here is the reader's code."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal

Place = Literal["metadata", "vmetadata", "blob"]
Put = Callable[[Place, str, bytes], None]
Person = tuple[str, str]

ADA: Person = ("Ada", "ada@example.org")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_ ./-]*[A-Za-z0-9]")
_NOT_TEXT = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")


def in_directories(root: Path) -> Put:
    """Writes below `root`, a directory for each place."""

    def put(place: Place, name: str, content: bytes) -> None:
        path = root / place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    for place in ("metadata", "vmetadata", "blob"):
        (root / place).mkdir(parents=True, exist_ok=True)
    return put


@dataclass
class LegacyWriter:
    """Writes as the first datamon did: blobs, then file lists, then a bundle's record. `leaf_bytes` is the size of a leaf,
    `list_files` how many files stand in a list."""

    put: Put
    leaf_bytes: int = 1024
    list_files: int = 1000

    def repo(self, repo: str, description: str = "for a test", time: str = "2019-03-01T08:00:00Z") -> None:
        """The record of a repo."""
        lines = [
            f"name: {_text(repo)}",
            f"description: {_text(description)}",
            f"timestamp: {time}",
            "contributor:",
            f"  name: {_text(ADA[0])}",
            f"  email: {_text(ADA[1])}",
        ]
        self.put("metadata", f"repos/{repo}/repo.yaml", _document(lines))

    def bundle(
        self,
        repo: str,
        bundle: str,
        files: Mapping[str | bytes, bytes],
        *,
        time: str = "2019-03-01T09:00:00.123456789Z",
        message: str = "for a test",
        people: Sequence[Person] = (ADA,),
        parents: Sequence[str] = (),
        is_finished: bool = True,
    ) -> None:
        """A bundle of these files, by name; one that is not finished has no record."""
        rows = [(self.file(content), name, len(content)) for name, content in files.items()]
        lists = [rows[at : at + self.list_files] for at in range(0, len(rows), self.list_files)]
        for number, some in enumerate(lists):
            self.put("metadata", f"bundles/{repo}/{bundle}/bundle-files-{number}.yaml", _file_list(some))
        lines = [f"leafSize: {self.leaf_bytes}", f"id: {bundle}", f"message: {_text(message)}"]
        lines += ["parents:", *(f"- {parent}" for parent in parents)] if parents else []
        lines += [f"timestamp: {time}", *_people(people), f"count: {len(lists)}", "version: 2", "deduplication: blake"]
        if is_finished:
            self.put("metadata", f"bundles/{repo}/{bundle}/bundle.yaml", _document(lines))

    def file(self, content: bytes) -> str:
        """The blobs of a file: its leaves, and its root, whose name this gives."""
        size = self.leaf_bytes
        keys = b""
        for at in range(0, len(content), size):
            leaf = content[at : at + size]
            full = len(leaf) == size
            number = at // size
            key = self._hash(leaf, depth=0, offset=number + 1 if full else number, last=not full)
            self.put("blob", key.hex(), leaf)
            keys += key
        root = self._hash(keys, depth=1, offset=0, last=True)
        self.put("blob", root.hex(), keys + root)
        return root.hex()

    def label(
        self, repo: str, label: str, bundle: str, time: str = "2019-03-02T00:00:00Z", people: Sequence[Person] = (ADA,)
    ) -> None:
        """The label points at the bundle; where it pointed before is overwritten."""
        lines = [f"name: {_text(label)}", f"id: {bundle}", f"timestamp: {time}", *_people(people)]
        self.put("vmetadata", f"labels/{repo}/{label}/label.yaml", _document(lines))

    def diamond(self, repo: str, diamond: str, *, is_done: bool) -> None:
        """A diamond with one split."""
        lead = f"diamonds/{repo}/{diamond}"
        self.put(
            "vmetadata", f"{lead}/diamond-running.yaml", _document([f"diamondID: {diamond}", "state: initialized"])
        )
        self.put("vmetadata", f"{lead}/splits/one/split-running.yaml", _document(["splitID: one", "state: running"]))
        if is_done:
            self.put("vmetadata", f"{lead}/diamond-done.yaml", _document([f"diamondID: {diamond}", "state: done"]))

    def _hash(self, content: bytes, *, depth: int, offset: int, last: bool) -> bytes:
        return blake2b(
            content,
            digest_size=64,
            fanout=0,
            depth=2,
            leaf_size=self.leaf_bytes,
            node_offset=offset,
            node_depth=depth,
            inner_size=64,
            last_node=last,
        ).digest()


def context_yaml(context: str, places: Mapping[Place, str]) -> bytes:
    """The record of a context in a configuration bucket."""
    lines = [f"name: {_text(context)}", "wal: unused", "readlog: unused", f"blob: {_text(places['blob'])}"]
    lines += [f"metadata: {_text(places['metadata'])}", f"vmetadata: {_text(places['vmetadata'])}", "version: 1"]
    return _document(lines)


def _file_list(rows: Sequence[tuple[str, str | bytes, int]]) -> bytes:
    lines = ["BundleEntries:"]
    for root, name, size in rows:
        lines += [f"- hash: {root}", f"  name: {_text(name)}", "  mode: 0", f"  size: {size}"]
    return _document(lines)


def _people(people: Sequence[Person]) -> list[str]:
    if not people:
        return ["contributors: []"]
    lines = ["contributors:"]
    for name, email in people:
        lines += [f"- name: {_text(name)}", f"  email: {_text(email)}"]
    return lines


def _text(text: str | bytes) -> str:
    """A text as a careful writer of YAML has it: in quotes when it could be taken for something else."""
    if isinstance(text, bytes):
        return f"!!binary {b64encode(text).decode()}"
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escaped(c) for c in quoted)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"


def _document(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()
