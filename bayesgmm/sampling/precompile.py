"""Compilation in advance, by a second process, for a new installation's first fit and posterior.

Numba compiles under one lock, so that a second thread could not help. Both processes keep what
they compile on disk (`kernels/cache.py`), where the other finds it. The second process begins with
what the first needs last; at worst both compile one part where they meet. `kernels/compilation.py`
starts it through the package's `__init__`, as kernels import nothing above them.
"""

from __future__ import annotations


def precompile() -> None:
    """Compile the parts that the defaults use: the accelerated step, then the posterior's."""
    import numpy as np

    from ..density import callbacks, compiled
    from ..density import covariances as covariance_maps
    from ..em.acceleration import accelerated_step
    from ..em.degeneracy import degenerate_component
    from ..em.iteration import iterate
    from ..kernels.cholesky import inverse_factors
    from ..kernels.e_step.many_draws import evaluate_draws
    from ..kernels.e_step.quadratic import quadratic_pass

    for part in (
        accelerated_step, iterate, inverse_factors, compiled.log_posterior,
        covariance_maps.bartlett, degenerate_component,
        quadratic_pass.version(np.float64), evaluate_draws,
    ):  # fmt: skip
        _ = part.dispatcher
    _ = callbacks.density.address, callbacks.copy.address
