"""Runs a command and prints what it took. A process of its own, and a small one: a child's peak memory counts from its fork on,
so that a large parent would show in every figure."""

import json
import os
import subprocess
import sys
import tempfile
import time


def main() -> None:
    """Prints, as JSON, the wall and core seconds of the command in `argv`, its peak memory in MB, and its end."""
    with tempfile.TemporaryFile() as told:
        began = time.perf_counter()
        process = subprocess.Popen(sys.argv[1:], stdout=told, stderr=told)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        told.seek(0)
        output = told.read().decode(errors="replace")
    code = os.waitstatus_to_exitcode(status)
    took = {"wall_s": wall_s, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / 1024}
    print(json.dumps({**took, "code": code, "output": output[-2000:]}))


if __name__ == "__main__":
    main()
