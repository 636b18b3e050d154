"""Counts the skipped tests of a JUnit report; fails when one was skipped for anything but a capability of the machine.

A capability skip says `capability: loop …` or `capability: fuse …`. A skip never counts as shown.
"""

import sys
from xml.etree import ElementTree

CAPABILITIES = ("capability: loop", "capability: fuse")


def main(report: str) -> int:
    """Prints the count of each reason; 1 when a reason is not a capability."""
    reasons = [
        (case.get("name", "?"), skipped.get("message", ""))
        for case in ElementTree.parse(report).iter("testcase")  # noqa: S314 (our own report)
        for skipped in case.iter("skipped")
    ]
    allowed = [reason for _, reason in reasons if reason.startswith(CAPABILITIES)]
    print(f"skipped for a capability this machine lacks: {len(allowed)}")  # noqa: T201
    refused = [(name, reason) for name, reason in reasons if not reason.startswith(CAPABILITIES)]
    for name, reason in refused:
        print(f"skipped without a capability's reason: {name}: {reason}")  # noqa: T201
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
