"""What a new installation's first fit and posterior need last, compiled by a second process first.

Numba compiles under one lock, so that a second thread could not help. Both processes keep what
they make on disk (`kernels/cache.py`), where the other finds it; they begin at opposite ends, and
at worst both compile one part where they meet. `kernels/compilation.py` starts it by the
package's public face, and knows of nothing above itself.
"""

from __future__ import annotations


def precompile() -> None:
    """Compile the default path's parts: the long step, then those of the posterior."""
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
