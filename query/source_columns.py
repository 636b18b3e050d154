"""The lineage sources and questions, with the columns of their answers."""

from datamon.query.relation import relation

_CLOSURE = """
        kind VARCHAR bundle or run; AT file file
        id VARCHAR its KSUID; of a file repo@bundle:path with the first bundle that holds it
        name VARCHAR repo@ref or repo@id of a bundle, with :path of a file; pipeline/step of a run
        repo VARCHAR the repo of a bundle or a file
        ref VARCHAR a label or else a branch that points at the bundle now, or at one that holds the file
        depth BIGINT how many runs away: the run that wrote a bundle and what that run read have 1
        how VARCHAR declared, observed or inferred: how the edge to it is known
        via_id VARCHAR the node before it on a shortest way
        truncated BOOLEAN set on the last row when more were cut off"""
_SOURCES = (
    relation("upstream", "UPSTREAM OF ref: everything it came from", _CLOSURE),
    relation("downstream", "DOWNSTREAM OF ref: everything it went into", _CLOSURE),
    relation(
        "affected",
        "AFFECTED BY change: what would become stale if it changed",
        _CLOSURE
        + """
        cause VARCHAR why: input, code, param or env next to the change, upstream beyond
        """,
    ),
    relation(
        "paths",
        "PATHS FROM ref TO ref: the ways in the direction of the data, shortest first, a row for each node",
        """
        path BIGINT the number of the way, from 1
        hop BIGINT how many edges from its start, which is 0
        kind VARCHAR bundle or run
        id VARCHAR its KSUID
        name VARCHAR repo@ref or repo@id of a bundle, pipeline/step of a run
        how VARCHAR how the edge to it is known; NULL for the start
        """,
    ),
    relation(
        "plan",
        "PLAN FOR ref: the steps to run again so that it is fresh, in order",
        """
        position BIGINT its place in the order, from 1
        pipeline VARCHAR the step's pipeline
        step VARCHAR the step
        run VARCHAR the run that is done again
        command VARCHAR its command line; NULL for a function
        because VARCHAR the nearest causes
        after BIGINT[] the positions of the steps that it reads from
        """,
    ),
    relation(
        "diff",
        "DIFF ref, ref: in what two bundles, or two runs, differ",
        """
        kind VARCHAR file, param, code, env or input
        name VARCHAR the path, param, file of the code, package or input
        change VARCHAR added, deleted or changed
        old VARCHAR what the first has; contents are hashes
        new VARCHAR what the second has
        """,
    ),
    relation(
        "differences",
        "WHY DOES ref DIFFER FROM ref: what differs on the way on which they were made, nearest first",
        """
        depth BIGINT how many runs up: the runs that wrote the two have 1
        kind VARCHAR step, command, param, code, env or input
        name VARCHAR the param, file of the code, package or input
        old VARCHAR what the way to the second has; contents are hashes
        new VARCHAR what the way to the first has
        via VARCHAR the inputs on the way there, joined by /; empty next to the two
        """,
    ),
    relation(
        "not_reused",
        "WHY WAS run NOT REUSED: in what it differs from the nearest earlier run of its step",
        """
        kind VARCHAR code, command, param, input, env or output
        name VARCHAR which of them
        change VARCHAR added, deleted or changed
        old VARCHAR what the earlier run had; contents are hashes
        new VARCHAR what the run had
        """,
    ),
    relation(
        "stale",
        "STALE [OF ref]: a row for each stale output and cause",
        """
        output VARCHAR the stale bundle
        ref VARCHAR the reference that holds it
        cause VARCHAR input, appeared, code, param, env, upstream, superseded or missing
        subject VARCHAR what changed: a reference, a step, a parameter, a bundle
        old VARCHAR what the run had
        new VARCHAR what there is now; NULL when it is gone
        via VARCHAR the input on the way to what changed
        distance BIGINT how many hops away that is; 0 for causes of its own
        last_status VARCHAR how the step's last started run ended
        """,
    ),
    relation(
        "produced",
        "WHAT PRODUCED ref: the runs that wrote that content, the producer first",
        """
        run VARCHAR the run
        pipeline VARCHAR its pipeline
        step VARCHAR its step
        status VARCHAR how it ended
        started TIMESTAMP when it began
        ended TIMESTAMP when it ended
        author VARCHAR who ran it
        code VARCHAR the code version
        repo VARCHAR the repo it wrote to
        bundle VARCHAR what it wrote
        content VARCHAR the content that was asked for
        role VARCHAR the name of the output in the run
        """,
    ),
    relation(
        "contains",
        "WHAT CONTAINS file '…', bundle '…' or hash '…': what holds the content, or by shared chunks at least half of it",
        """
        repo VARCHAR the name of the repo
        bundle VARCHAR the bundle
        ref VARCHAR a label or else a branch that points at the bundle now
        path VARCHAR the file in it; empty where whole bundles are compared
        content VARCHAR the content of that file or bundle
        size BIGINT its bytes
        shared_bytes BIGINT how many bytes of what was asked for it holds
        share DOUBLE what part that is of what was asked for, up to 1
        how VARCHAR same (it is that very content) or part (it shares chunks or files)
        run VARCHAR the run that wrote the bundle; NULL for an upload
        """,
    ),
)
SOURCES = {each.name: each for each in _SOURCES}
"""The sources, which DESCRIBE knows by one word."""
