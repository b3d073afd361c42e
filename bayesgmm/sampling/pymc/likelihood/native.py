"""The likelihood as machine code with a plain C signature, compiled once per installation.

Whatever is compiled later (a PyTensor graph, a sampler's density) calls it by the symbol's name
and neither inlines nor recompiles it. One version serves every n, d and K, every form of the
covariances, and parameters that differ by row. The functions that register a symbol must be called
in every process before anything that uses it is compiled or loaded from a cache.
"""

from __future__ import annotations

from functools import lru_cache

import llvmlite.binding
import numba as nb

from ....kernels.cache import VERSION
from ....kernels.compilation import Entry, inlined, part
from .forms import BARTLETT, SIGMA, write_square_root
from .gradient import Variables, mixture_likelihood

_I = nb.types.CPointer(nb.int64)
_P = nb.types.CPointer(nb.float64)

# The sizes: form; shapes of x (2), w (2) and mu (3); blocks of the covariance and their size, the
# shape of below (2), length of the root, number of row weights, and of rows for the gradient in x.
# Then the arrays, all C-contiguous: w, mu, covariance, below, root, x, row_weights; log_density,
# and the gradients in w, mu, covariance, below and x. Returns 1, or 0 and nothing is written where
# the shapes do not fit.
_SIGNATURE = nb.int64(_I, *[_P] * 7, *[_P] * 6)
N_SIZES = 15

# Form, d, sizes of the covariance, of below, of the root; these three, and the square root.
_OF_ROOT = nb.void(*[nb.int64] * 5, *[_P] * 4)

# With the version, so that code which PyTensor keeps on disk cannot call that of another version.
_LIKELIHOOD, _SQUARE_ROOT = (f"bayesgmm_{name}_{VERSION}" for name in ("likelihood", "square_root"))
# What compiled code calls; only the name is in it, so that it can be cached on disk.
likelihood_symbol = nb.types.ExternalFunction(_LIKELIHOOD, _SIGNATURE)
square_root_symbol = nb.types.ExternalFunction(_SQUARE_ROOT, _OF_ROOT)


@lru_cache
def native_likelihood() -> Entry:
    """The log-likelihood and its gradient; its symbol is registered."""
    llvmlite.binding.add_symbol(_LIKELIHOOD, _likelihood.address)
    return _likelihood


@lru_cache
def native_square_root() -> Entry:
    """The square root of a covariance; its symbol is registered."""
    llvmlite.binding.add_symbol(_SQUARE_ROOT, _square_root.address)
    return _square_root


@part(_OF_ROOT)
def _square_root(  # type: ignore[no-untyped-def]
    form, d, size, n_below, n_root, covariance, below, root, out
):
    write_square_root(
        form, nb.carray(covariance, (size,)), nb.carray(below, (n_below,)),
        nb.carray(root, (n_root, n_root)), nb.carray(out, (d, d)),
    )  # fmt: skip


# As many parameters as C needs: arrays come without their shapes.
@part(_SIGNATURE)
def _likelihood(  # type: ignore[no-untyped-def]
    sizes, w, mu, covariance, below, root, x, row_weights, log_density, g_w, g_mu, g_covariance,
    g_below, g_x,
):  # fmt: skip
    s = nb.carray(sizes, (N_SIZES,))
    n, d, n_components = s[1], s[2], s[6]
    if not _fit(s):
        return 0
    at = Variables(
        nb.carray(w, (s[3], n_components)),
        nb.carray(mu, (s[5], n_components, d)),
        nb.carray(covariance, (s[8], s[9])),
        nb.carray(below, (s[10], s[11])),
    )
    slope = Variables(
        nb.carray(g_w, (s[3], n_components)),
        nb.carray(g_mu, (s[5], n_components, d)),
        nb.carray(g_covariance, (s[8], s[9])),
        nb.carray(g_below, (s[10], s[11])),
    )
    mixture_likelihood(
        s[0], at, nb.carray(root, (s[12], s[12])), nb.carray(x, (n, d)),
        nb.carray(row_weights, (s[13],)), nb.carray(log_density, (n,)),
        slope, nb.carray(g_x, (s[14], d)),
    )  # fmt: skip
    return 1


@inlined
def _fit(s):  # type: ignore[no-untyped-def]
    """Whether the shapes are those of one mixture, or of one for each row."""
    form, n, d, n_components = s[0], s[1], s[2], s[6]
    blocks, size = s[8], s[9]
    if form == SIGMA:
        right = size == 1 or size == d
    elif form == BARTLETT:
        right = size == d and s[10] == blocks and s[11] == d * (d - 1) // 2 and s[12] == d
    else:
        right = size == d * d
    rows = (s[3] == 1 or s[3] == n) and (s[5] == 1 or s[5] == n)
    of_all = blocks == 1 or blocks == n_components
    return right and rows and of_all and s[4] == n_components and s[7] == d and n_components > 0
