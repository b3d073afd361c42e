"""What a measurement needs to be read: the machine, the versions, and who else was working."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

_STAT = Path("/proc/stat")


def processor() -> str:
    """Name of the processor, and how many cores this process may use."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip()
            for line in cpuinfo.read_text().splitlines()
            if line.startswith("model name")
        ]
        name = names[0] if names else name
    return f"{name}, {n_cores()} cores"


def n_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> str:
    """Memory of the machine, where it can be asked for."""
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "unknown memory"
    return f"{size / 2**30:.0f} GiB of memory"


def caches() -> str:
    """Sizes of the first core's data caches, as Linux tells them ("" elsewhere)."""
    found = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind = (index / "type").read_text().strip()
        if kind in ("Data", "Unified"):
            level = (index / "level").read_text().strip()
            found.append(f"L{level} {(index / 'size').read_text().strip()}")
    return ", ".join(found)


def description(*packages: str) -> list[str]:
    """The machine and the versions, one fact a line."""
    hardware = ", ".join(part for part in (processor(), caches(), memory()) if part)
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return [
        f"Machine: {hardware}; {platform.system()} {platform.machine()}.",
        f"Versions: Python {platform.python_version()}, bayesgmm {_own_version()}, {versions}.",
    ]


def _own_version() -> str:
    import bayesgmm

    return bayesgmm.__version__


@dataclass(slots=True)
class Others:
    """The share of all cores that other processes used between `start` and `share`.

    Known on Linux only: NaN elsewhere.
    """

    busy: float = 0.0
    own: float = 0.0
    clock: float = 0.0

    def start(self) -> None:
        """Begin to watch."""
        self.busy, self.own, self.clock = _busy_seconds(), _own_seconds(), time.perf_counter()

    def share(self) -> float:
        """Share of the cores' time, 0 to 1, that went to other processes since `start`."""
        seconds = time.perf_counter() - self.clock
        theirs = (_busy_seconds() - self.busy) - (_own_seconds() - self.own)
        # at most all of it: in a round of few clock ticks the two counts do not quite match
        return min(max(theirs, 0.0) / (seconds * (os.cpu_count() or 1)), 1.0)


def _own_seconds() -> float:
    times = os.times()
    ended = times.user + times.system + times.children_user + times.children_system
    return ended + _seconds_of_children()


def _seconds_of_children() -> float:
    """Processor time of this process's children that still run, known on Linux only."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if int(fields[1]) == os.getpid():
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK") if ticks else 0.0


def _busy_seconds() -> float:
    """Processor time of all processes since the machine started."""
    if not _STAT.exists():
        return float("nan")
    fields = [int(value) for value in _STAT.read_text().splitlines()[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
