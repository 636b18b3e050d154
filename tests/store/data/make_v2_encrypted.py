"""Makes `v2-encrypted.zip`, an encrypted store that later versions must read, opened by the key of 32 bytes 0 to 31.

Once a version was released it is never run again. `python tests/store/data/make_v2_encrypted.py`
"""

import tempfile
import zipfile
from pathlib import Path

from datamon.store.backend.local import LocalBackend
from datamon.store.bundle import Author
from datamon.store.encryption_key import EncryptionKey
from datamon.store.key_change import change_key
from datamon.store.opening import store_on
from datamon.store.repos import create_repo
from datamon.store.testing.clocks import SteppingClock
from datamon.store.testing.trees import write_files
from datamon.store.upload import UploadRequest, upload

HERE = Path(__file__).resolve().parent
FIRST = EncryptionKey(bytes(32))
KEY = EncryptionKey(bytes(range(32)))


def main() -> None:
    """Makes it anew."""
    with tempfile.TemporaryDirectory() as folder:
        metadata, blob = (LocalBackend(Path(folder) / name) for name in ("metadata", "blob"))
        store = store_on(metadata, blob, Author("Ada", "ada@example.org"), clock=SteppingClock(), key=FIRST)
        create_repo(store, "orders", "by night")
        files = {"small.txt": "a secret", "sub/large.txt": "0123456789" * 30_000, "empty": ""}
        tree = write_files(Path(folder) / "tree", files)
        (tree / "link").symlink_to("small.txt")
        upload(store, UploadRequest("orders", tree, "first", label="v1"))
        change_key(metadata, FIRST, KEY, clock=SteppingClock())
        with zipfile.ZipFile(HERE / "v2-encrypted.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("metadata", "blob"):
                for path in sorted((Path(folder) / name).rglob("*")):
                    if path.is_file():
                        archive.write(path, path.relative_to(folder))


if __name__ == "__main__":
    main()
