"""Keys as an encrypted backend's place sees them: a part that is a hash, or begins with one, is unreadable there.

Whoever has content could else compute the hash and look whether the place has it. The hash is encrypted by AES-SIV (RFC 5297),
which gives the same for the same, bound to where it stands, so that a key can be found, and turned back when it is listed. A
hidden part begins with `-`, which comes before every other character of a key: in a listing the hidden keys of a folder come
first, and can be put in order beside the others without keeping these in memory.
"""

import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

MARK = "-"
_HEX_DIGITS = 64
_HASH = re.compile(r"([0-9a-f]{64})([._-][A-Za-z0-9._-]*)?")
_FOLDER = re.compile(r"[0-9a-f]{2}")
_HIDDEN = re.compile(r"-([0-9a-f]{96})([._-][A-Za-z0-9._-]*)?")
_HIDDEN_FOLDER = re.compile(r"-([0-9a-f]{2})")
_HIDDEN_REST = re.compile(r"([0-9a-f]{94})([._-][A-Za-z0-9._-]*)?")
_PERHAPS = re.compile(r"[0-9a-f]{64}")


class HiddenNames:
    """Keys and how they are hidden under `key` (64 bytes). A hash in a folder of its first two digits, `ab/ab12…`, lies in a
    folder of the first two of what stands for it."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    def hidden(self, key: str) -> str:
        """How the place sees this key."""
        if not _PERHAPS.search(key):
            return key
        parts = key.split("/")
        seen: list[str] = []
        for number, part in enumerate(parts):
            match = _HASH.fullmatch(part)
            if match is None:
                seen.append(part)
            elif seen and parts[number - 1] == part[:2]:
                token = self._token(match[1], _in_folder(parts[: number - 1]))
                seen[-1:] = [MARK + token[:2], token[2:] + (match[2] or "")]
            else:
                seen.append(MARK + self._token(match[1], "/".join(parts[:number])) + (match[2] or ""))
        return "/".join(seen)

    def shown(self, seen: str) -> str:
        """The key that the place sees as `seen`; `seen` itself where it is none that was hidden under this key."""
        if MARK not in seen:
            return seen
        parts = seen.split("/")
        key: list[str] = []
        number = 0
        while number < len(parts):
            found, used = self._shown_at(parts, number, key)
            key += found
            number += used
        return "/".join(key)

    def _shown_at(self, parts: list[str], number: int, above: list[str]) -> tuple[list[str], int]:
        """What the next part stands for, and how many parts that were."""
        folder, rest = _HIDDEN_FOLDER.fullmatch(parts[number]), None
        if folder and number + 1 < len(parts):
            rest = _HIDDEN_REST.fullmatch(parts[number + 1])
        if folder and rest:
            found = self._hash(folder[1] + rest[1], _in_folder(above))
            if found is not None:
                return [found[:2], found + (rest[2] or "")], 2
        alone = _HIDDEN.fullmatch(parts[number])
        found = self._hash(alone[1], "/".join(above)) if alone else None
        return [parts[number] if alone is None or found is None else found + (alone[2] or "")], 1

    def _token(self, digits: str, bound: str) -> str:
        return self._cipher.encrypt(bytes.fromhex(digits), [bound.encode()]).hex()

    def _hash(self, token: str, bound: str) -> str | None:
        try:
            return self._cipher.decrypt(bytes.fromhex(token), [bound.encode()]).hex()
        except InvalidTag:
            return None


def seen_prefix(prefix: str, names: HiddenNames) -> str:
    """What the place's names of all keys with this prefix begin with; those of others may, too."""
    folder, _, rest = prefix.rpartition("/")
    match = _HASH.fullmatch(rest)
    if match and match[2]:
        return names.hidden(prefix)
    if not re.fullmatch(r"[0-9a-f]*", rest):
        return names.hidden(prefix)
    if _FOLDER.fullmatch(folder.rpartition("/")[2]):
        folder = folder.rpartition("/")[0]
    return names.hidden(f"{folder}/x")[:-1] if folder else ""


def may_be_hidden(key: str) -> bool:
    """Whether the place may see a key with such parts as another, or among those that come first in a folder."""
    return any(part.startswith(MARK) or _FOLDER.fullmatch(part) or _HASH.fullmatch(part) for part in key.split("/"))


def lead_of(seen: str) -> str | None:
    """What stands before the first part that may be hidden; None when none may."""
    if seen.startswith(MARK):
        return ""
    at = seen.find("/" + MARK)
    return seen[: at + 1] if at >= 0 else None


def _in_folder(above: list[str]) -> str:
    """What a hash in its own folder is bound to: no key has two slashes, so nothing else is bound to the same."""
    return "/".join(above) + "//"
