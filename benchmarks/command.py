"""The command line that every benchmark has: the options are those that its `run` takes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

_OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "rounds": ("--rounds", {"type": int, "help": "rounds that count"}),
    "patience": ("--patience", {"type": float, "help": "seconds to wait for a quiet machine"}),
    "seeds": ("--seeds", {"type": int, "help": "how many seeds"}),
    "small": ("--small", {"action": "store_true", "help": "few rows, to try it"}),
    "sampler": ("--sampler", {"help": "the sampler of `refine`"}),
    "data": ("--data", {"help": "one data set; all if left out"}),
    "again": ("--again", {"action": "store_true", "help": "forget what was measured before"}),
    "write": ("--no-write", {"action": "store_false", "help": "print only"}),
}


def main(run: Callable[..., None], doc: str | None) -> None:
    """Read the command line and run one benchmark."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    for name, default in _defaults(run).items():
        flag, how = _OPTIONS[name]
        parser.add_argument(flag, dest=name, default=default, **how)
    run(**vars(parser.parse_args()))


def main_of_all(runs: Mapping[str, Callable[..., None]], doc: str | None) -> None:
    """Read the command line and run several, each with the options that it takes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=doc)
    parser.add_argument("only", nargs="*", metavar="name", help=f"of {', '.join(runs)}; else all")
    for name in ("rounds", "patience", "small", "write"):
        flag, how = _OPTIONS[name]
        parser.add_argument(flag, dest=name, default=argparse.SUPPRESS, **how)
    given = vars(parser.parse_args())
    names = given.pop("only") or list(runs)
    unknown = sorted(set(names) - set(runs))
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}: choose among {', '.join(runs)}")
    for name in names:
        print(f"== {name}", flush=True)
        taken = _defaults(runs[name])
        runs[name](**{option: value for option, value in given.items() if option in taken})


def _defaults(run: Callable[..., None]) -> dict[str, Any]:
    return {name: p.default for name, p in signature(run).parameters.items()}
