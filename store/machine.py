"""This machine, as long as it runs: what tells one start of one kernel from every other."""

from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")


def boot_id() -> str:
    """One start of this machine. Opaque: equal or not."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        import psutil  # 10 ms that Linux need not pay

        return str(int(psutil.boot_time()))


def boot_here() -> str:
    """One start of this machine, and the space in which its process numbers count. Opaque: equal or not."""
    try:
        return f"{boot_id()}/{_NAMESPACE.readlink()}"
    except OSError:
        return boot_id()
