"""A log density as a model of nutpie: by the addresses of its functions, or as a Python function.

nutpie's public interface takes a Python function. Its class for compiled PyMC models, which is
private, takes addresses instead: a gradient then costs no call into Python, and no chain waits for
another. Where nutpie no longer has that class as it was, the public interface is used: the draws
are of the same posterior, and are made more slowly.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ...density import callbacks
from ...density.mode import FreeDensity
from ...density.standard_normal import standard_normal
from ...utils.types import FloatArray
from ...utils.warnings import warn

#: The name under which nutpie keeps the coordinates.
COORDINATES = "z"

_Start = Callable[[Any], FloatArray]


def nutpie_model(density: FreeDensity, start: _Start) -> Any:
    """The density as a model that `nutpie.sample` takes; a chain begins at start(seed).

    Warns
    -----
    UserWarning
        nutpie's private class is not what it was: the public interface is used.
    """
    problem = problem_with_addresses()
    if problem is None:
        return _by_address(density.callback, density.table, density.size, start, density)
    warn(
        f"this version of nutpie does not take compiled densities as earlier ones do ({problem}): "
        "it is given a Python function instead, which is slower and gives the same posterior.",
        UserWarning,
    )
    return _by_function(density, start)


@lru_cache
def problem_with_addresses() -> str | None:
    """What is wrong with nutpie's private class, found once by sampling two normal coordinates."""
    import nutpie

    try:
        table = np.zeros(1, dtype=np.int64)  # the normal density reads nothing
        tree = nutpie.sample(
            _by_address(standard_normal, table, 2, lambda seed: np.ones(2), None),
            draws=10, tune=10, chains=1, cores=1, seed=0, save_warmup=False, progress_bar=False,
        )  # fmt: skip
        z = tree["posterior"][COORDINATES].to_numpy()
        log_density = tree["sample_stats"]["logp"].to_numpy()
    except Exception as error:  # another library's private part may fail in any way
        return f"{type(error).__name__}: {error}"
    if z.shape != (1, 10, 2) or not np.allclose(log_density, -0.5 * (z**2).sum(axis=2)):
        return "it samples another density"
    return None


def _by_address(
    function: Any, table: np.ndarray[Any, Any], size: int, start: _Start, held: Any
) -> Any:
    """A compiled function and what it reads as nutpie's own model, of which little is used.

    `held` is what must live as long as the model.
    """
    from nutpie.compile_pymc import CompiledPyMCModel

    return CompiledPyMCModel(
        compiled_logp_func=function,
        compiled_expand_func=callbacks.copy,
        initial_point_func=start,
        shared_data={"held": held, "table": table},
        shared_var_keys={},
        user_data=table,
        n_expanded=size,
        shape_info=([COORDINATES], [slice(0, size)], [(size,)]),
        logp_func=None,
        expand_func=None,
        _n_dim=size,
        _shapes={COORDINATES: (size,)},
        _coords={},
        dims={},
        reparameterized_names=[],
    )


def _by_function(density: FreeDensity, start: _Start) -> Any:
    """The density as a Python function, by nutpie's public interface."""
    from nutpie.compiled_pyfunc import from_pyfunc

    return from_pyfunc(
        density.size,
        make_logp_fn=lambda: density,
        make_expand_fn=lambda *_: lambda z: {COORDINATES: np.array(z)},
        expanded_dtypes=[np.dtype(np.float64)],
        expanded_shapes=[(density.size,)],
        expanded_names=[COORDINATES],
        make_initial_point_fn=start,
    )
