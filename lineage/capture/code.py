"""The code of a run: where it lies, and what git says of it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from datamon.lineage.capture.git import GitState, capture_git
from datamon.lineage.fingerprint import Fingerprint
from datamon.lineage.records import CodeVersion


@dataclass(frozen=True, slots=True)
class CodePlace:
    """Where code lies: `root` is the top of the git working tree, or the directory asked about where there is none."""

    root: Path
    git: GitState | None

    def relative(self, path: Path) -> str:
        """`path` as a record says it: relative to the root where it lies below it, else absolute."""
        real = path.resolve()
        return real.relative_to(self.root).as_posix() if real.is_relative_to(self.root) else str(real)

    def version(self, fingerprint: Fingerprint | None = None) -> CodeVersion:
        """What git says of the place, with the fingerprint of what ran there."""
        version = CodeVersion(host_path=str(self.root))
        if self.git is not None:
            version = replace(
                version, root=self.git.root, commit=self.git.commit, dirty=self.git.dirty, remote=self.git.remote
            )
        if fingerprint is None:
            return version
        return replace(
            version,
            fingerprint=fingerprint.digest,
            method=fingerprint.method,
            paths=fingerprint.paths,
            function=fingerprint.function,
            unresolved=fingerprint.unresolved,
        )


def find_code(directory: Path, without: Sequence[Path] = ()) -> CodePlace:
    """The place of code that lies in `directory`, for a run whose data directories are `without`."""
    git = capture_git(directory, without)
    root = git.top if git is not None else directory
    return CodePlace(Path(os.path.realpath(root)), git)
