"""Any tree that is linked, and any that is ingested, comes back as it is at its source."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datamon.store.download import download
from datamon.store.external import bring, fetch
from datamon.store.external.ingest import IngestRequest, ingest
from datamon.store.external.link import LinkRequest, link
from datamon.store.opening import memory_store
from datamon.store.repos import create_repo
from datamon.store.testing.contents import random_bytes
from datamon.store.testing.places import contents, entries_of
from datamon.store.testing.trees import upload_tree
from datamon.store.testing.web_server import running_web_server

NAMES = st.sampled_from(["a", "b c", "é", "数据.csv", "%20", "a#b", "x?y", "..a", "&amp;"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CONTENTS = st.sampled_from([0, 1, 999, 1_000, 1_001, 70_000]).map(lambda size: random_bytes(str(size), size))
TREES = st.dictionaries(PATHS, CONTENTS, min_size=1, max_size=6).filter(
    lambda tree: not any(other.startswith(path + "/") for path in tree for other in tree)
)


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PART_BYTES", 1_000)
    monkeypatch.setattr(fetch, "AHEAD_BYTES", 3_000)
    monkeypatch.setattr(bring, "STINT_FILES", 2)


@pytest.mark.usefixtures("_small")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREES, st.sampled_from(["file", "http"]))
def test_what_comes_back_is_what_is_at_the_source(tree: dict[str, bytes], scheme: str) -> None:
    store = memory_store()
    create_repo(store, "raw", "for a test")
    with TemporaryDirectory() as folder, running_web_server() as server:
        root = Path(folder) / "source"
        for path, content in tree.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
            server.files[f"data/{path}"] = content
        url = root.as_uri() if scheme == "file" else f"{server.url}/data/"
        uploaded = entries_of(store, upload_tree(store, root, "up"))
        for made in (
            link(store, LinkRequest(url, "raw", "m", branch="linked")),
            ingest(store, IngestRequest(url, "raw", "m", branch="ingested")),
        ):
            out = Path(folder) / made.id
            download(store, made, out)
            assert contents(out) == tree
            held = {path: (each.content, each.size_bytes) for path, each in entries_of(store, made).items()}
            assert held == {path: (each.content, each.size_bytes) for path, each in uploaded.items()}
