"""The commands that repeat a report, and a fingerprint of its data."""

from __future__ import annotations

import hashlib
import pprint
import shlex
import textwrap
from typing import Any

import numpy as np

from ..data.chunks import answers_of_chunks, are_in_chunks
from ..families.hyperparameters import Gamma
from ..mixture.prior import Prior
from .analysis import Analysis
from .request import ReportRequest

_WIDTH = 76


def shell_command(analysis: Analysis) -> str:
    """The command for a terminal; "" where no option gives the caller's prior."""
    request, prior = analysis.request, _prior_options(analysis)
    if prior is None:
        return ""
    parts = [f"bayesgmm report {shlex.quote(_file(analysis))} -k {_range(request.ks)}"]
    if request.reading:
        parts.append(request.reading)
    parts.append(f"--families {','.join(analysis.families)}")
    parts.append("--columns " + shlex.quote(",".join(analysis.data.names)))
    if request.question:
        parts.append("--question " + shlex.quote(request.question))
    if request.component_names:
        parts.append("--component-names " + shlex.quote(",".join(request.component_names)))
    if request.n_init is not None:
        parts.append(f"--n-init {request.n_init}")
    given = _differing(request).items()  # noise of an estimated volume is True
    parts += [f"{option} {'volume' if value is True else value}" for option, value in given]
    parts.append(f"--seed {request.random_seed}")
    if request.refine:
        parts.append(f"--draws {request.draws} --tune {request.tune} --chains {request.chains}")
    else:
        parts.append("--no-refine")
    if prior:
        parts.append(prior)
    return " \\\n  ".join(parts)


def python_code(analysis: Analysis) -> str:
    """The call in Python that repeats the report, with any prior."""
    request, in_chunks = analysis.request, are_in_chunks(analysis.data)
    lines = [_argument(name, value) for name, value in _arguments(analysis).items()]
    if analysis.data.weights is not None:
        lines.append("    sample_weight=weights,  # what each row counts for")
    if analysis.labels is not None:
        lines.append("    labels=labels,  # the rows' classes, None where unknown")
    if request.prior is not None:
        lines.append(f"    prior=bayesgmm.Prior(**{request.prior.to_dict()!r}),")
    return "\n".join(
        [
            "import bayesgmm",
            *([] if in_chunks else ["import pandas as pd"]),
            "",
            f"X = {_file(analysis)!r}" if in_chunks else f"X = pd.read_csv({_file(analysis)!r})",
            "bayesgmm.report(",
            '    X, "report.html",',
            *lines,
            ")",
        ]
    )


def _arguments(analysis: Analysis) -> dict[str, Any]:
    """The arguments of `report`, but for the prior and those left at their defaults."""
    request = analysis.request
    arguments: dict[str, Any] = {
        "n_components": request.ks,
        "covariance_type": analysis.families,
        "columns": list(analysis.data.names),
    }
    if request.n_init is not None:
        arguments["n_init"] = request.n_init
    if request.refine:
        arguments |= {"draws": request.draws, "tune": request.tune, "chains": request.chains}
    else:
        arguments["refine"] = False
    arguments["random_seed"] = request.random_seed
    arguments |= {
        option.strip("-").replace("-", "_"): value for option, value in _differing(request).items()
    }
    if request.question:
        arguments["question"] = request.question
    if request.component_names:
        arguments["component_names"] = list(request.component_names)
    return arguments


def _differing(request: ReportRequest) -> dict[str, Any]:
    """The options that choose what is done and differ from their defaults, by name."""
    default = ReportRequest()
    names = ("missing", "criterion", "n_posteriors", "sampler", "ci_prob", "max_time", "noise")
    return {
        f"--{name.replace('_', '-')}": getattr(request, name)
        for name in names
        if getattr(request, name) != getattr(default, name)
    }


def _prior_options(analysis: Analysis) -> str | None:
    """The options for the caller's prior in a terminal; None where no options give it."""
    prior, ks = analysis.request.prior, analysis.request.ks
    if prior is None:
        return ""
    if isinstance(prior.concentration, Gamma):
        return None
    random_scale, conjugate = isinstance(prior.scale, Gamma), prior.mean_covariance is None
    try:
        same = Prior.from_data(
            analysis.data, concentration=prior.concentration, random_scale=random_scale,
            conjugate=conjugate, n_components=ks[0] if len(ks) == 1 else None,
        )  # fmt: skip
    except ValueError:  # no conjugate prior has one scale for several K, or for these columns
        return None
    if same.to_dict() | {"names": None} != prior.to_dict() | {"names": None}:
        return None
    options = {
        f"--concentration {prior.concentration!r}": prior.concentration != 1,
        "--random-scale": random_scale,
        "--conjugate": conjugate,
    }
    return " ".join(option for option, given in options.items() if given)


def _argument(name: str, value: Any) -> str:
    """A line of the call, or several if it is long."""
    text = pprint.pformat(value, width=_WIDTH, compact=True, sort_dicts=False)
    return textwrap.indent(f"{name}={text},", "    ")


def fingerprint(analysis: Analysis) -> str:
    """SHA-256 of the rows' values as little-endian doubles, row after row: its first 16 digits.

    Of rows in chunks it is that of the chunks' digests.
    """
    data = analysis.data
    if are_in_chunks(data):
        return _digest(b"".join(answers_of_chunks(data, _of_chunk)))
    return _digest(_doubles(data.values))


def _of_chunk(chunk: Any) -> bytes:
    return hashlib.sha256(_doubles(chunk.values)).digest()


def _doubles(values: Any) -> bytes:
    return np.ascontiguousarray(values, dtype="<f8").tobytes()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _file(analysis: Analysis) -> str:
    return analysis.request.source or "data.csv"


def _range(ks: list[int]) -> str:
    contiguous = ks == list(range(ks[0], ks[-1] + 1))
    return f"{ks[0]}:{ks[-1]}" if contiguous and len(ks) > 1 else ",".join(map(str, ks))
