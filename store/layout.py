"""Every key of a store, made here and nowhere else (docs/format.md, "Two backends")."""

from blake3 import blake3

from datamon.store.ids import ManifestId, RepoId, RunId, SegmentId, SessionId

STORE = "store.json"
BLOBS = "blobs.json"
PACKS = "packs/"
INDEX = "index/"
STORE_LOG = "log/"
REPOS = "repos/"
JOURNAL = "journal/"
JOURNAL_FILE = "journal/log"
OPEN_RUNS = "open/"
MANIFESTS = "manifests/"
SEGMENTS = "segments/"
STATS = "stats/"
ENVIRONMENTS = "environments/"
EPOCHS = "epochs/"
FOUNDING = "epochs/founding"
STRANDED = "stranded/"


def pack_name(session: SessionId, number: int) -> str:
    """The name of a session's pack `number`."""
    return f"{session}-{number:08d}"


def pack(name: str) -> str:
    """Where the pack of this name lies."""
    return f"{PACKS}{blake3(name.encode()).hexdigest()[:2]}/{name}"


def index(ksuid: str) -> str:
    """Where a chunk index segment lies."""
    return f"{INDEX}{ksuid}.parquet"


def manifest(identity: ManifestId) -> str:
    """Where a manifest's root lies."""
    return f"manifests/{identity[:2]}/{identity}"


def segment(identity: SegmentId) -> str:
    """Where a segment of entries lies."""
    return f"segments/{identity[:2]}/{identity}"


def stat_segment(identity: SegmentId) -> str:
    """Where a segment of modes and times lies."""
    return f"stats/{identity[:2]}/{identity}"


def log(repo: RepoId | None) -> str:
    """The prefix of a repo's log, or of the store's own when `repo` is None."""
    return STORE_LOG if repo is None else f"repos/{repo}/log/"


def log_entry(repo: RepoId | None, number: int) -> str:
    """Where entry `number` of a log lies."""
    return f"{log(repo)}{number:020d}"


def is_log_entry(key: str) -> bool:
    """Whether an entry of a log lies there.

    >>> is_log_entry("log/00000000000000000001"), is_log_entry("journal/log")
    (True, False)
    """
    return key.startswith(STORE_LOG) or (key.startswith(REPOS) and "/log/" in key)


def stranded(side: str, entry: str, key: str) -> str:
    """Where the entry of this id is kept that stood under a log's `key` on a side and never came to count."""
    return f"{STRANDED}{side}/{key}.{entry}"


def journal_record(writer: str, number: int) -> str:
    """Where a writer's journal record lies, on a backend that cannot append."""
    return f"{JOURNAL}{writer}/{number:020d}"


def environment(digest: str) -> str:
    """Where the environment record of this hash lies."""
    return f"environments/{digest[:2]}/{digest}"


def open_run(run: RunId) -> str:
    """Where the mark of a run that has not ended in full lies."""
    return f"{OPEN_RUNS}{run}"
