"""The relations that a SELECT may name, with their columns."""

from datamon.query.relation import relation

_RELATIONS = (
    relation(
        "repos",
        "named data sets",
        """
        id VARCHAR the repo's KSUID
        name VARCHAR its name now; of a deleted one whose name another has now: the name, '#' and the id
        description VARCHAR what was said of it when it was made
        author VARCHAR who made it
        email VARCHAR their address
        created TIMESTAMP when it was made
        deleted TIMESTAMP when it was deleted; NULL while it is there
        """,
    ),
    relation(
        "bundles",
        "a repo's file tree at one moment; immutable",
        """
        id VARCHAR the bundle's KSUID
        repo VARCHAR the name of its repo
        position BIGINT its entry's number in the repo's log, a replacement's that of its original: the order of bundles in a repo
        content VARCHAR hash of paths, kinds, executable bits, link targets and bytes; what staleness compares
        manifest VARCHAR hash of everything, modes and times too
        parents VARCHAR[] the bundles it follows
        author VARCHAR who committed it
        email VARCHAR their address
        time TIMESTAMP when it was committed
        message VARCHAR what they said of it
        entries BIGINT how many files, directories and links it has
        bytes BIGINT the sum of its files' sizes
        run VARCHAR the run that wrote it; NULL for an upload
        role VARCHAR which output of that run it is
        deleted BOOLEAN whether it was deleted since
        """,
    ),
    relation(
        "deletions",
        "what was deleted: bundles, also those that went with their repo, and repos",
        """
        repo VARCHAR the name of the repo
        bundle VARCHAR the bundle; NULL in the row of a deleted repo
        time TIMESTAMP when it was deleted
        author VARCHAR who deleted it
        email VARCHAR their address
        reason VARCHAR why, as they said
        replaced_by VARCHAR the bundle that was made in its place; NULL when none was
        """,
    ),
    relation(
        "labels",
        "the labels as they stand now",
        """
        repo VARCHAR the name of the repo
        name VARCHAR the label
        bundle VARCHAR what it points at
        content VARCHAR that bundle's content
        frozen BOOLEAN whether it never moves again
        author VARCHAR who moved it last
        time TIMESTAMP when
        """,
    ),
    relation(
        "branches",
        "the branches as they stand now",
        """
        repo VARCHAR the name of the repo
        name VARCHAR the branch
        bundle VARCHAR its head
        content VARCHAR that bundle's content
        author VARCHAR who moved it last
        time TIMESTAMP when
        """,
    ),
    relation(
        "ref_history",
        "every move of every label and branch",
        """
        repo VARCHAR the name of the repo
        ref VARCHAR the label or branch
        kind VARCHAR label or branch
        position BIGINT the number of the entry in the repo's log that moved it
        old VARCHAR what it pointed at before; NULL when it was made
        new VARCHAR what it points at since; NULL when it was deleted
        frozen BOOLEAN whether the move froze it
        author VARCHAR who moved it
        email VARCHAR their address
        time TIMESTAMP when
        run VARCHAR the run whose end moved it; NULL when a person did
        """,
    ),
    relation(
        "files",
        "the entries of all bundles that were not deleted; read only when a statement names it",
        """
        repo VARCHAR the name of the repo
        bundle VARCHAR the bundle
        path VARCHAR the path inside it
        kind VARCHAR file, dir, symlink or external
        size BIGINT bytes of a file, else 0
        content VARCHAR hash of its bytes; of a link, of its target
        executable BOOLEAN the owner's execute bit
        mode INTEGER the 12 permission bits
        mtime TIMESTAMP when it was modified last
        target VARCHAR what a link points at
        """,
    ),
    relation(
        "inferred",
        "dependencies that no run recorded but equal contents suggest; made only when a statement names it",
        """
        repo_from VARCHAR the repo that had the contents before
        bundle_from VARCHAR its bundle that shares the most bytes, of several the newest
        repo_to VARCHAR the other repo
        bundle_to VARCHAR its bundle in which the contents are new
        files BIGINT how many contents they share
        shared_bytes BIGINT and how many bytes these have
        share DOUBLE what part that is of the bytes of bundle_to, up to 1
        """,
    ),
    relation(
        "runs",
        "recorded executions",
        """
        id VARCHAR the run's KSUID
        pipeline VARCHAR the pipeline it belongs to
        step VARCHAR what it is an execution of
        status VARCHAR running, succeeded, failed or abandoned
        parent VARCHAR the run that started it
        started TIMESTAMP when it began
        ended TIMESTAMP when it ended; NULL while it runs
        duration_s DOUBLE seconds between the two
        author VARCHAR who ran it
        email VARCHAR their address
        host VARCHAR the machine
        command VARCHAR the command line, quoted for a shell
        cwd VARCHAR the working directory, relative to the code root or absolute
        code VARCHAR the code version: a short commit, +dirty where files differed, or a fingerprint's beginning
        git_commit VARCHAR the whole commit
        dirty VARCHAR hash of what differed from the commit; NULL when nothing did
        remote VARCHAR where the code was cloned from
        fingerprint VARCHAR hash of the step's code, blind to comments and layout
        exit_code BIGINT what the command ended with
        signal VARCHAR what killed it
        error VARCHAR the exception that ended it
        environment VARCHAR hash of Python, packages and variables
        how VARCHAR command, decorator or context
        reuse_key VARCHAR stands for the computation: equal where step, code, params and inputs are; NULL where that is not known
        reused VARCHAR the run whose outputs were taken in place of running; NULL when it ran
        level VARCHAR run, stage, pod or container: what it is within its pipeline's run, if it says
        retry_of VARCHAR the run that it repeats
        attempt BIGINT which of the runs that repeat one another it is, from 1
        """,
    ),
    relation(
        "steps",
        "what runs are executions of",
        """
        pipeline VARCHAR the pipeline
        step VARCHAR the step
        runs BIGINT how often it ran
        succeeded BIGINT how often it succeeded
        failed BIGINT how often it failed
        last_run VARCHAR the run that began last
        last_status VARCHAR how that ended
        last_started TIMESTAMP when it began
        """,
    ),
    relation(
        "inputs",
        "what runs read",
        """
        run VARCHAR the run
        role VARCHAR the name of the input in the run
        repo VARCHAR the name of the repo
        ref VARCHAR the label or branch it was resolved through; NULL for an id
        ref_kind VARCHAR branch, label, ancestor or id
        bundle VARCHAR what was read
        content VARCHAR the content of the part that was read
        path VARCHAR that part's path; empty for the whole bundle
        how VARCHAR declared or observed
        changed VARCHAR[] paths that the run itself altered
        """,
    ),
    relation(
        "outputs",
        "what runs wrote",
        """
        run VARCHAR the run
        role VARCHAR the name of the output in the run
        repo VARCHAR the name of the repo
        branch VARCHAR the branch it was meant for
        bundle VARCHAR what was written
        content VARCHAR that bundle's content
        """,
    ),
    relation(
        "accesses",
        "what runs that were watched (`run record --trace`) did with files",
        """
        run VARCHAR the run
        kind VARCHAR read or absent (looked for, not there) of an input; undeclared (read) or written elsewhere
        role VARCHAR the input's name in the run; NULL elsewhere
        path VARCHAR relative to the input's part (with a / at its end a directory that was listed), elsewhere absolute
        """,
    ),
    relation(
        "captures",
        "how runs were watched, and what that cannot see",
        """
        run VARCHAR the run
        method VARCHAR seccomp, strace, preload or audit
        whole BOOLEAN whether no read of a file's content can be missing
        blind_spots VARCHAR[] what the method cannot see
        reads BIGINT files that were read
        writes BIGINT files that were written
        absent BIGINT paths that were looked for and not there
        system BIGINT those of the three that belong to the system
        undeclared BIGINT files read outside of inputs, outputs, code and system
        written BIGINT files written there
        truncated BOOLEAN whether there was more than is kept
        """,
    ),
    relation(
        "params",
        "the values that runs were given",
        """
        run VARCHAR the run
        name VARCHAR the parameter
        value VARCHAR its value: a text as it is, anything else as JSON
        source VARCHAR explicit, file or default
        file VARCHAR the file it came from, relative to the code root
        key VARCHAR its dotted name in that file
        """,
    ),
    relation(
        "metrics",
        "what runs measured",
        """
        run VARCHAR the run
        name VARCHAR the metric
        value DOUBLE its value
        """,
    ),
    relation(
        "replays",
        "what came of doing runs again exactly: a row for each output",
        """
        run VARCHAR the run that was done again
        replay VARCHAR the replay's own id
        started TIMESTAMP when the replay began
        ended TIMESTAMP when it ended
        verdict VARCHAR matched when it ended as the run did and all outputs came out bit by bit; differed; failed
        role VARCHAR which output of the run; NULL where the replay has none
        repo VARCHAR the repo it lies in
        branch VARCHAR the branch that the run wrote it to
        result VARCHAR of this output: matched, differed, or missing when nothing was written
        path VARCHAR the first path that differed, in the order of paths
        change VARCHAR how: added, deleted or changed
        old VARCHAR the content there, or of the whole output, as the run had it
        new VARCHAR the same as the replay had it
        error VARCHAR how a replay that failed ended
        environment VARCHAR the hash of the environment it had
        packages BOOLEAN whether the recorded packages were installed for it
        whole BOOLEAN whether every file of its tree was known to be as it was, and not only the code
        host VARCHAR the host it was done on
        author VARCHAR who did it
        """,
    ),
    relation(
        "env",
        "the packages that runs had",
        """
        run VARCHAR the run
        name VARCHAR the package; python is the interpreter
        version VARCHAR its version
        """,
    ),
    relation(
        "code",
        "how each run's code was identified",
        """
        run VARCHAR the run
        method VARCHAR function, script, paths, cell or none
        git_commit VARCHAR the commit
        dirty VARCHAR hash of what differed from it; NULL when nothing did
        fingerprint VARCHAR hash of the code, blind to comments and layout
        root VARCHAR the git repository's first commit
        paths VARCHAR[] the files that were looked at
        function VARCHAR the function, where it was one
        """,
    ),
    relation(
        "edges",
        "the graph: what runs read and wrote, in the direction of the data",
        """
        kind_from VARCHAR bundle or run
        id_from VARCHAR where the edge begins
        kind_to VARCHAR run or bundle
        id_to VARCHAR where it ends
        role VARCHAR the name of the input or output
        how VARCHAR declared or observed
        """,
    ),
    relation(
        "columns",
        "from which columns SQL steps made each of theirs; made only when a statement names it",
        """
        run VARCHAR the run
        output_repo VARCHAR the repo it wrote
        output_bundle VARCHAR its bundle
        output_table VARCHAR the table there, which is the file's name without its ending
        output_column VARCHAR the column
        input_repo VARCHAR the repo that has a column which this one is made from; NULL, as the next three, when there is none
        input_bundle VARCHAR its bundle
        input_table VARCHAR the table there
        input_column VARCHAR the column
        kind VARCHAR value when it is calculated from it; filter, join, group or order when that decides which rows there are
        """,
    ),
)
RELATIONS = {each.name: each for each in _RELATIONS}
"""The relations that a SELECT may name."""
