"""The errors that datamon raises: one tree of six kinds, grouped by what a caller does about them.

    DatamonError
    ├── NotFound      what was named is not there                 name another, or make it
    ├── Conflict      someone else was first, or it exists        look again, then decide
    ├── Invalid       the request itself is wrong                 correct it
    ├── Denied        not permitted                               get the right, or go elsewhere
    ├── Corrupt       stored bytes are not what was stored        repair; never use them
    └── Unavailable   it cannot be done now                       make room, reconnect, try again

Each error has a stable ``code`` (a key of `CODES`, which only grows), a message of one sentence that names the thing
and the next step, and its facts as attributes. The command line turns the kind into an exit code by `EXIT_CODES`.
"""

CODES: dict[str, str] = {
    # not found
    "repo-not-found": "no repo has this name",
    "ref-not-found": "the repo has no label or branch of this name",
    "bundle-not-found": "the repo has no bundle of this id",
    "run-not-found": "no run has this id",
    "code-not-kept": "the run's record names no kept code",
    "path-not-found": "the bundle or the file system has nothing at this path",
    "source-not-found": "nothing is at the URL that was given, or that an entry names",
    "key-not-found": "the backend keeps nothing under this key",
    "context-not-found": "the configuration names no such context",
    "session-not-found": "the repo has no such session",
    "work-not-found": "no work in a mount of this id was left behind",
    "not-mounted": "nothing of datamon's is mounted there",
    # conflict
    "repo-exists": "a repo of this name exists",
    "ref-exists": "a label or branch of this name exists in the repo",
    "ref-moved": "the ref was moved by someone else meanwhile",
    "ref-frozen": "the label is frozen and does not move",
    "bundle-held": "labels, branches or unfinished runs hold the bundle",
    "destination-not-empty": "the destination holds files that datamon did not put there",
    "directory-in-use": "another run is writing to the directory",
    "local-edits": "files were edited since datamon wrote them",
    "key-exists": "the backend already keeps something under this key",
    "log-contended": "too many writers moved the log at once",
    "condemned": "a gc takes away something that a bundle to be relies on",
    "session-fenced": "a gc gave up an upload as abandoned",
    "session-ended": "the session was committed or cancelled",
    "session-moved": "a split of the session was completed meanwhile",
    "split-conflicts": "splits of a session hold the same paths differently",
    "foreign-blobs": "the blob backend holds the packs of another store",
    "source-changed": "what lies at a URL is not what was linked, or changes while it is read",
    "config-exists": "a configuration file exists",
    "context-exists": "a context of this name exists",
    "run-exists": "another run of this id is there",
    "bundle-exists": "the repo has, or had, a bundle of this id",
    "already-mounted": "something of datamon's is mounted there",
    "work-in-use": "a mount that serves the work is running",
    "mount-busy": "programs use what is mounted",
    # invalid
    "session-empty": "the session has no completed split",
    "bad-name": "a name that is not allowed",
    "bad-reference": "a reference that cannot be read",
    "ambiguous-id": "a shortened id that fits several",
    "bad-path": "a path that is not what was expected",
    "unsafe-path": "an entry that would be written outside the destination",
    "unsupported-file": "a file of a kind that cannot be kept",
    "file-changed": "a file changed while it was read",
    "bad-url": "a URL that cannot be read, or may not be kept",
    "bad-key": "a key that no backend takes",
    "bad-argument": "an argument that cannot be used",
    "cannot-trace": "files cannot be watched in the way that was asked for",
    "bad-config": "a configuration that cannot be read",
    "bad-params": "a parameter file that cannot be read",
    "bad-metrics": "a metrics file that cannot be read",
    "bad-run-record": "a line of a file of runs that holds no run",
    "bad-statement": "a statement that is not in the language",
    "no-column-lineage": "a SQL text whose columns cannot be followed",
    "bad-sql": "a step's SQL that cannot be run",
    "newer-format": "written by a newer datamon",
    "bad-encryption-key": "a text that is no key of an encrypted store",
    "not-encrypted": "a key is given for a store that is not encrypted",
    "bad-signing-key": "a file that holds no key to sign runs with, or to trust",
    "bad-events": "lines that are no events of runs",
    "missing-extra": "an optional package is not installed",
    "usage": "the command line is wrong",
    "not-repeatable": "a run whose record does not let it be done again here",
    "graph-too-large": "a graph with more nodes than can be drawn",
    # denied
    "unreadable": "the file system or the backend refuses to read it",
    "unwritable": "the file system or the backend refuses to write it",
    "source-denied": "the place of a URL refuses to give what is there",
    "key-missing": "the store is encrypted and no key is given",
    "wrong-key": "the key that is given does not open the store",
    "statement-refused": "a statement that would change or read what a query may not",
    "mount-denied": "the system does not let this user mount there",
    # corrupt
    "bad-bytes": "stored bytes do not have the hash they are named by",
    "bad-pack": "a pack that cannot be read",
    "missing-bytes": "bytes that a bundle needs are gone",
    "bad-record": "a stored record that cannot be read",
    # unavailable
    "packages-missing": "recorded packages that cannot be installed here",
    "disk-full": "no room is left",
    "backend-unavailable": "the backend does not answer",
    "source-unavailable": "the place of a URL does not answer, or not to the end",
    "query-stopped": "a query reached its limit",
    "index-busy": "the index is replaced faster than it can be opened",
    "index-unwritable": "the index cannot be written",
    "interrupted": "stopped by the user",
    "command-not-started": "the command of a run could not be started",
    "worker-died": "a process that shared the work was killed",
    "engine-unavailable": "what should run the tasks of an ingest, or answer a statement, cannot be used",
    "engine-denied": "a database refuses the user, the password, or what is asked of it",
    "engine-busy": "another push to the same schema was quicker",
    "not-pushed": "a database has no tables of this store, or of another version",
    "other-store": "the schema holds the tables of another store",
    "hidden-store": "an encrypted store's tables may not leave this machine",
    "splits-missing": "a session does not have the splits that its bundle is to be made of",
    "too-few-sides": "fewer sides of a mirrored store have it than an acknowledgement promises",
    "first-side-lost": "the side of a mirrored store that decides on logs cannot",
    "epoch-passed": "another side of a mirrored store was promoted meanwhile",
    "commit-failed": "work in a mount could not be committed",
    "no-fuse": "the system has no FUSE",
    "mount-failed": "nothing could be mounted",
    "unmount-failed": "something could not be unmounted",
    "sides-differ": "two sides of a mirrored store hold different things under one key",
}
"""Every code with what it means. Append-only: a code never changes its meaning and is never taken away."""


class DatamonError(Exception):
    """Any error of ours. `facts` holds the things the message names, also readable as attributes."""

    def __init__(self, code: str, message: str, **facts: object) -> None:
        if code not in CODES:
            raise AssertionError(f"error code {code!r} is not in CODES")
        super().__init__(message)
        self.code = code
        self.message = message
        self.facts = facts

    def __getattr__(self, name: str) -> object:
        facts = self.__dict__.get("facts", {})
        if name in facts:
            return facts[name]
        raise AttributeError(name)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.code, self.message, self.facts))


def _rebuild(kind: type[DatamonError], code: str, message: str, facts: dict[str, object]) -> DatamonError:
    return kind(code, message, **facts)


class NotFound(DatamonError):  # noqa: N818 (the six kinds are the tree's own words)
    """What was named is not there."""


class Conflict(DatamonError):  # noqa: N818
    """Someone else was first, or something is in the way."""


class Invalid(DatamonError):  # noqa: N818
    """The request itself is wrong."""


class Denied(DatamonError):  # noqa: N818
    """Not permitted."""


class Corrupt(DatamonError):  # noqa: N818
    """Stored bytes are not what was stored."""


class Unavailable(DatamonError):  # noqa: N818
    """It cannot be done now."""


EXIT_CODES: dict[type[DatamonError] | None, tuple[int, str]] = {
    None: (1, "failed for a reason datamon did not foresee: please report it"),
    Invalid: (2, "the request is wrong: arguments, names, statements, configuration"),
    NotFound: (4, "what was named is not there"),
    Conflict: (5, "someone else was first, or something is in the way"),
    Denied: (6, "not permitted"),
    Unavailable: (7, "cannot be done now: no room, no connection, a limit"),
    Corrupt: (8, "stored bytes are missing or not what was stored"),
}
"""The exit code of each kind and what it says. Beside these: 0 is success, 3 says that something was found
(`bundle diff` with differences), 130 that the user interrupted; `run record` passes on its command's own code."""


def exit_code(error: BaseException) -> int:
    """The exit code for an error.

    >>> exit_code(NotFound("repo-not-found", "no repo 'x'", repo="x"))
    4
    >>> exit_code(KeyboardInterrupt())
    130
    """
    if isinstance(error, KeyboardInterrupt):
        return 130
    for kind, (number, _) in EXIT_CODES.items():
        if kind is not None and isinstance(error, kind):
            return number
    return 1
