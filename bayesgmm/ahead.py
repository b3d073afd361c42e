"""What a new installation's first fit and posterior need last, compiled by a second process first.

Numba compiles under one lock, so that a second thread could not help. Both processes keep what
they make in Numba's cache, where the other finds it; they begin at opposite ends, and at worst both
compile one part where they meet. `kernels/primitives.py` starts it, and knows of nothing above it.
"""

from __future__ import annotations


def compile_ahead() -> None:
    """Compile the default path's parts: the long step, then those of the posterior."""
    import numpy as np

    from .density import charts, compiled, shims
    from .em.acceleration import leap
    from .em.iteration import iterate
    from .em.narrow import atom
    from .kernels.each import evaluate_each
    from .kernels.factor import inverse_factors
    from .kernels.quadratic import quadratic_pass

    for part in (
        leap, iterate, inverse_factors, compiled.log_posterior, charts.bartlett, atom,
        quadratic_pass.version(np.float64), evaluate_each,
    ):  # fmt: skip
        _ = part.dispatcher
    shims()
