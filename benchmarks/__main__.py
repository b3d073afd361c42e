"""All benchmarks, one after the other: writes docs/benchmarks.md anew."""

from __future__ import annotations

import argparse

from . import acceleration, em, grid, kernel_forms, optima, startup

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--patience", type=float, default=0.0, help="seconds to wait for quiet")
    parser.add_argument("--no-write", dest="write", action="store_false", help="print only")
    options = vars(parser.parse_args())
    for benchmark in (startup, em, grid, optima, acceleration, kernel_forms):
        benchmark.run(**options)
