"""The table of settings, which the documentation is made from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table of settings."""

    meaning: str
    default: str
    flag: str | None = None
    variable: str | None = None
    key: str | None = None


SETTINGS: tuple[Setting, ...] = (
    Setting("The configuration file.", "`datamon.yaml` in the home directory of datamon", "--config", "DATAMON_CONFIG"),
    Setting(
        "Which of the file's `contexts` to use, or of those that are shared.",
        "none: the file's own keys",
        "--context",
        "DATAMON_CONTEXT",
        "context",
    ),
    Setting(
        "Where a team keeps the contexts that it shares, said like `metadata`.",
        "none",
        variable="DATAMON_GLOBAL_CONFIG",
        key="config",
    ),
    Setting(
        "Where metadata lies: a bucket name, a path that starts with `/`, `.` or `~`, or a `file://` or `gs://` URL.",
        "`store` in the home directory of datamon",
        variable="DATAMON_METADATA",
        key="metadata",
    ),
    Setting(
        "Where file contents lie, said like `metadata`.",
        "the place of the metadata",
        variable="DATAMON_BLOB",
        key="blob",
    ),
    Setting("Who you are, in what you make.", "git's `user.name`, else the login", variable="DATAMON_NAME", key="name"),
    Setting(
        "Your address, in what you make.", "git's `user.email`, else login@host", variable="DATAMON_EMAIL", key="email"
    ),
    Setting(
        "A Google Cloud service account's key file.",
        "what Google's library finds, in a pod its service account",
        variable="GOOGLE_APPLICATION_CREDENTIALS",
        key="credential",
    ),
    Setting(
        "How much of what was read from a bucket is kept on this machine's disk at most: `500MB`, `10GB`; `0` for nothing.",
        "`10GB`",
        variable="DATAMON_CACHE_SIZE",
        key="cache.size",
    ),
    Setting("The directory that it is kept in.", "`cache` in the home directory of datamon", key="cache.path"),
    Setting(
        "The key of an encrypted store, or of a new one: the file that has it, as `datamon store create-key` makes it.",
        "none: the store is not encrypted",
        variable="DATAMON_ENCRYPTION_KEY_FILE",
        key="encryption.key_file",
    ),
    Setting("The same key itself; beats a key file.", "none", variable="DATAMON_ENCRYPTION_KEY"),
    Setting(
        "The private key that signs every run that is recorded, as `datamon run create-signing-key` makes it.",
        "none: runs are not signed",
        variable="DATAMON_SIGNING_KEY_FILE",
        key="signing.key_file",
    ),
    Setting(
        "The public keys whose signatures `datamon run verify` trusts, where no `--trusted-key` names others.",
        "none: any key that a signature names",
        key="signing.trusted_key_files",
    ),
    Setting(
        "In place of `metadata` and `blob`: several sides that each have everything, as `{min_sides: 2, sides: [{name: eu, "
        "metadata: PLACE, blob: PLACE, credential: FILE}, …]}`. See [operations](operations.md#mirrored-stores).",
        "none: one place",
        key="mirror",
    ),
    Setting(
        "When set to anything but `0`, a mirrored store takes what fewer sides than `min_sides` acknowledge.",
        "off",
        "--degraded",
        "DATAMON_DEGRADED",
    ),
    Setting("Names of params and variables whose values are never recorded.", "none", key="secrets.names"),
    Setting(
        "Environment variables whose values are never recorded, wherever they turn up.",
        "none",
        key="secrets.values_from",
    ),
    Setting(
        "Environment variables that every run records, as names or patterns such as `OMP_*`. See `run record --variable`.",
        "none",
        key="variables",
    ),
    Setting("datamon's home directory.", "`~/.datamon`", variable="DATAMON_HOME"),
    Setting("When set to anything but `0`, errors show their traceback.", "off", variable="DATAMON_DEBUG"),
    Setting("When set, nothing is coloured.", "off", variable="NO_COLOR"),
)
"""Everything that can be set."""
