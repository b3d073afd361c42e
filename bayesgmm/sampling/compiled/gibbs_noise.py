"""The share of noise in a sweep of Gibbs sampling, compiled."""

from __future__ import annotations

import numpy as np

from ...kernels.compilation import inlined


@inlined
def weigh_noise(noise, weights, out):  # type: ignore[no-untyped-def]
    """Write the weights of the components, and of the noise, as a pass reads them."""
    n_components = len(weights)
    for k in range(n_components):
        out[k] = weights[k] * (1.0 - noise[0]) if len(noise) > 0 else weights[k]
    if len(noise) > 0:
        out[n_components] = noise[0] * np.exp(noise[1])


@inlined
def draw_share(rng, counts, sums, noise):  # type: ignore[no-untyped-def]
    """Draw the share of noise, given how many rows are noise."""
    if len(noise) > 0:
        a = rng.standard_gamma(noise[2] + sums[len(counts), 0])
        noise[0] = a / (a + rng.standard_gamma(noise[3] + np.sum(counts)))
