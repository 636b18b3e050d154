"""Signatures over statements in DSSE envelopes with ed25519, through securesystemslib: the only module that knows it."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datamon.errors import Conflict, Invalid
from datamon.lineage.interchange.extras import missing
from datamon.store.beneath import reading, writing
from datamon.store.codec import Record, encode


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key. It is never shown."""

    id: str
    public: str
    signer: Any = field(repr=False)


def create_keys(file: Path) -> str:
    """A new private key is in `file`, which only its owner may read, and the public one in `file` with `.pub` behind it; returns
    the key's id. Raises Conflict (`destination-not-empty`) when either is there, Denied (`unwritable`), Invalid
    (`missing-extra`)."""
    signer = _library().CryptoSigner.generate_ed25519()
    public = file.with_name(f"{file.name}.pub")
    _write_new(file, signer.private_bytes, 0o600)
    _write_new(public, _pem(signer), 0o644)
    identity: str = signer.public_key.keyid
    return identity


def read_signing_key(file: Path) -> SigningKey:
    """The private key in this file (PEM, PKCS #8, ed25519). Raises NotFound (`path-not-found`), Denied (`unreadable`), Invalid
    (`bad-signing-key`, `missing-extra`)."""
    library = _library()
    with reading(file):
        content = file.read_bytes()
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        signer = library.CryptoSigner(load_pem_private_key(content, None))
        if signer.public_key.keytype != "ed25519":
            raise ValueError(f"it is of the type {signer.public_key.keytype}")
    except (ValueError, TypeError) as error:
        raise _bad_key(file, error) from error
    return SigningKey(signer.public_key.keyid, _pem(signer).decode(), signer)


def read_public_key(file: Path) -> str:
    """The public key in this file, as text. Raises as `read_signing_key`."""
    with reading(file):
        content = file.read_bytes()
    try:
        text = content.decode()
        key_id(text)
    except (ValueError, TypeError) as error:
        raise _bad_key(file, error) from error
    return text


def key_id(public: str) -> str:
    """The id of a public key in PEM, which follows from it. Raises ValueError when it is none of ed25519."""
    return str(_public(public).keyid)


def signed(key: SigningKey, payload_type: str, statement: Record) -> Record:
    """The statement in an envelope that the key has signed."""
    from securesystemslib.dsse import Envelope

    envelope = Envelope(encode(statement), payload_type, {})
    envelope.sign(key.signer)
    told: Record = envelope.to_dict()
    return told


def opened(envelope: Record, payload_type: str, public: str) -> Any:
    """The statement in an envelope, once the signature of this public key over it has been verified. Raises ValueError, which
    says what is wrong, when anything is."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError

    try:
        read = Envelope.from_dict(json.loads(json.dumps(envelope)))  # the library alters what it is given
        if read.payload_type != payload_type:
            raise ValueError(f"the envelope holds {read.payload_type}")
        read.verify([_public(public)], 1)
        return json.loads(read.payload)
    except (KeyError, TypeError, AttributeError, VerificationError) as error:
        raise ValueError(f"the signature does not fit ({error})") from error


def _library() -> Any:
    try:
        from securesystemslib import signer  # an optional extra: the library of this format
    except ImportError as error:
        raise missing("signing") from error
    return signer


def _public(public: str) -> Any:
    library = _library()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = library.SSlibKey.from_crypto(load_pem_public_key(public.encode()))
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    if key.keytype != "ed25519":
        raise ValueError(f"the key is of the type {key.keytype}, not ed25519")
    return key


def _pem(signer: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = signer._private_key.public_key()  # (the library has no other way to the key as PEM)
    content: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return content


def _write_new(file: Path, content: bytes, mode: int) -> None:
    with writing(file):
        try:
            target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        except FileExistsError:
            message = (
                f"there is a file {file}; a key is never overwritten: name another, or remove it if nothing needs it"
            )
            raise Conflict("destination-not-empty", message, path=str(file)) from None
        with open(target, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())


def _bad_key(file: Path, error: Exception) -> Invalid:
    return Invalid(
        "bad-signing-key",
        f"{file} is no ed25519 key in PEM ({error}); make one with `datamon run create-signing-key FILE`",
        path=str(file),
    )
