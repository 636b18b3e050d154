"""A secret's value is nowhere: not in the store's bytes, its journal, the streams and code it keeps, or this machine's caches."""

import string
import tempfile
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from datamon.lineage.decorators import make_step
from datamon.lineage.recording import Policy
from datamon.lineage.secrets import DEFAULT_NAMES, Redactor, secret_values
from datamon.lineage.testing.bench import Bench, every_byte
from datamon.store.bundle import Author
from datamon.store.opening import Places, open_store

SECRETS = st.text(string.ascii_letters + string.digits + "+/=!%&-_.$", min_size=6, max_size=36).map("Xq7Z".__add__)
"""They begin as nothing that a record says of its own accord does, such as the name of a field."""
NAMES = st.sampled_from(["API_TOKEN", "DB_PASSWORD", "client_secret", "awsSecretAccessKey"])


@settings(max_examples=15)
@given(SECRETS, NAMES)
def test_the_value_of_a_secret_variable_is_nowhere_after_it_went_everywhere(secret: str, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        places = Places(str(root / "store"), str(root / "store"), state_dir=root / "state", cache_dir=root / "cache")
        variables = {"PATH": "/usr/bin:/bin", name: secret, "INNOCENT": f"url?x={secret}"}
        redactor = Redactor(DEFAULT_NAMES, secret_values(variables))
        bench = Bench.make(root / "bench", open_store(places, Author("Ada", "a@example.org")))
        bench.policy = Policy(redactor, variables, kept_variables=("*",))
        (bench.work / "job.sh").write_text(f'echo {secret!r}; echo "$INNOCENT" >&2; exit 1\n')
        bench.record(
            "sh", "job.sh", secret, f"--x={secret}", counts=("variable:INNOCENT", "image"), params=(f"p={secret}",)
        )

        @make_step(lambda: bench.store, policy=lambda: bench.policy)(environment=["variable:INNOCENT"], retries=1)
        def broken(given: str) -> None:
            try:
                raise KeyError(given)
            except KeyError as error:
                raise ValueError(f"no {given}") from error

        with suppress(ValueError):
            broken(secret)
        assert len(bench.runs()) == 3
        kept = [*every_byte(bench.store), *(file.read_bytes() for file in root.rglob("*") if kept_by_us(root, file))]
        for spelled in {secret, quote(secret, safe="")}:
            assert not [each for each in kept if spelled.encode() in each]


def kept_by_us(root: Path, file: Path) -> bool:
    return file.is_file() and root / "bench" not in file.parents
