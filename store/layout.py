"""Every key of a store, and of a place with contexts, made here and nowhere else (docs/format.md, "Two backends")."""

from blake3 import blake3

from datamon.store.ids import JointId, ManifestId, RepoId, RunId, SegmentId, SessionId

STORE = "store.json"
BLOBS = "blobs.json"
PACKS = "packs/"
INDEX = "index/"
STORE_LOG = "log/"
REPOS = "repos/"
JOURNAL = "journal/"
JOURNAL_FILE = "journal/log"
MERGES = "journal/merged/"
"""The log of the journal's merges; their segments lie below MERGED."""
MERGED = "merged/"
OPEN_RUNS = "open/"
SPLITS = "splits/"
MANIFESTS = "manifests/"
SEGMENTS = "segments/"
STATS = "stats/"
ENVIRONMENTS = "environments/"
CONTEXTS = "contexts/"
KEYS = "keys/"
EPOCHS = "epochs/"
READABLE = (STORE, BLOBS, KEYS, EPOCHS)
"""What begins like this is not sealed in an encrypted store: it says how to open the rest, and who decides on a mirrored one."""
FOUNDING = "epochs/founding"
STRANDED = "stranded/"
RESULTS = "results/"


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
    return key.startswith((STORE_LOG, MERGES)) or (key.startswith(REPOS) and "/log/" in key)


def entry_before(key: str) -> str | None:
    """Where the entry lies that comes before the one that lies there; None for the first of a log.

    >>> entry_before("log/00000000000000000002"), entry_before("log/00000000000000000001")
    ('log/00000000000000000001', None)
    """
    folder, _, digits = key.rpartition("/")
    before = int(digits) - 1 if digits.isdecimal() else 0
    return f"{folder}/{before:020d}" if before > 0 else None


def never_changes(key: str) -> bool:
    """Whether what lies there has a name that no other content ever has, also in a store that was restored to an earlier state.

    >>> never_changes("manifests/0a/0a1b"), never_changes("log/00000000000000000001")
    (True, False)
    """
    return key.startswith((PACKS, INDEX, MANIFESTS, SEGMENTS, STATS, ENVIRONMENTS, MERGED))


def stranded(side: str, entry: str, key: str) -> str:
    """Where the entry of this id is kept that stood under a log's `key` on a side and never came to count."""
    return f"{STRANDED}{side}/{key}.{entry}"


def journal_record(writer: str, number: int) -> str:
    """Where a writer's journal record lies, on a backend that cannot append."""
    return f"{JOURNAL}{writer}/{number:020d}"


def merge(number: int) -> str:
    """Where merge `number` of the journal lies."""
    return f"{MERGES}{number:020d}"


def merged_segment(name: str) -> str:
    """Where the segment of merged journal records of this name lies, `<20 digits of the merge>-<KSUID>`."""
    return f"{MERGED}{name}.parquet"


def environment(digest: str) -> str:
    """Where the environment record of this hash lies."""
    return f"environments/{digest[:2]}/{digest}"


def results(key: str) -> str:
    """The prefix of the results of the computation with this key."""
    return f"{RESULTS}{key}/"


def result(key: str, run: RunId) -> str:
    """Where it is kept what a run made of the computation with this key."""
    return f"{results(key)}{run}"


def key_change(number: int) -> str:
    """Where change `number` of an encrypted store's key lies."""
    return f"{KEYS}{number:020d}"


def open_run(run: RunId) -> str:
    """Where the mark of a run that has not ended in full lies."""
    return f"{OPEN_RUNS}{run}"


def context(name: str) -> str:
    """The prefix of the versions of a shared context. Of its name, letters and digits of ASCII, `.` and `-` stand for themselves,
    every other byte of its UTF-8 is `_` and two hexadecimal digits.

    >>> context("prod-eu"), context("été_2")
    ('contexts/prod-eu/', 'contexts/_c3_a9t_c3_a9_5f2/')
    """
    plain = (chr(byte) if _is_plain(byte) else f"_{byte:02x}" for byte in name.encode())
    return f"{CONTEXTS}{''.join(plain)}/"


def context_version(name: str, number: int) -> str:
    """Where version `number` of a shared context lies."""
    return f"{context(name)}{number:020d}"


def _is_plain(byte: int) -> bool:
    return chr(byte) in ".-" or (byte < 0x80 and chr(byte).isalnum())


def begun_splits(repo: RepoId, session: JointId) -> str:
    """The prefix of the marks of a session's splits that were begun and not completed."""
    return f"{SPLITS}{repo}/{session}/"
