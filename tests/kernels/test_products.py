"""The matrix products and factors of the pass against NumPy's, in every size that has a tail."""

from __future__ import annotations

import numpy as np
import pytest

from bayesgmm.kernels.cholesky import cholesky, inverse_factors, precisions
from bayesgmm.kernels.e_step.few_rows import few_rows_pass
from bayesgmm.kernels.products import (
    add_outer_product,
    add_squared_lengths,
    add_symmetric_product,
    clear_padding,
    padded,
    product,
)

# Rows and columns on both sides of every tile's size and of the panels.
SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 31, 33, 64, 65, 130]
ROWS = [1, 15, 16, 17, 100, 256]


def padded_block(rng, p, m):
    """A block (p, padded m) with 0 in its padding, as the pass makes them."""
    block = rng.normal(size=(p, padded(m)))
    clear_padding(block, m)
    return block


@pytest.mark.parametrize("p", SIZES)
def test_products(rng, p):
    """A sum of q terms is off by at most q roundings of its largest partial sum."""
    for q in SIZES:
        m = int(rng.choice(ROWS))
        a, b = rng.normal(size=(p, q)), padded_block(rng, q, m)
        out = np.empty((p, padded(m)))
        product(a, b, m, out)
        np.testing.assert_allclose(out[:, :m], a @ b[:, :m], atol=1e-13 * q)
        r, out = padded_block(rng, p, m), rng.normal(size=(p, q))
        expected = out + r @ b.T
        add_outer_product(r, b, m, out)
        np.testing.assert_allclose(out, expected, atol=1e-13 * m)


@pytest.mark.parametrize("p", SIZES)
def test_products_of_the_centred_form(rng, p):
    """Squared lengths, of a triangular and of any matrix; a symmetric sum by its lower triangle."""
    for m in ROWS:
        b = padded_block(rng, p, m)
        a = rng.normal(size=(p, p))
        for lower in (False, True):
            g = np.tril(a) if lower else a
            out = np.ones((1, padded(m)))
            add_squared_lengths(g, lower, b, m, out)
            expected = 1.0 + np.sum((g @ b[:, :m]) ** 2, axis=0)
            np.testing.assert_allclose(out[0, :m], expected, rtol=1e-12)
        weighted = b * rng.uniform(size=b.shape[1])
        out = np.ones((p, p))
        add_symmetric_product(weighted, b, m, out)
        lower_half = np.tril_indices(p)
        np.testing.assert_allclose(
            out[lower_half], (1.0 + weighted @ b.T)[lower_half], atol=1e-13 * m
        )


@pytest.mark.parametrize("d", [*SIZES, 200])
def test_factors(rng, d):
    """Cholesky factors, their inverses and determinants are LAPACK's."""
    root = rng.normal(size=(3, d, 2 * d))
    sigma = root @ np.swapaxes(root, 1, 2)
    lower = np.full((d, d), np.nan)
    log_det = cholesky(sigma[0], lower)
    size = np.abs(sigma[0]).max()
    np.testing.assert_allclose(lower @ lower.T, sigma[0], atol=1e-14 * d * size)
    assert np.array_equal(lower, np.tril(lower))
    assert log_det == pytest.approx(np.linalg.slogdet(sigma[0])[1], rel=1e-11)
    factors, half_log_dets, out = np.empty_like(sigma), np.empty(3), np.empty_like(sigma)
    assert inverse_factors(sigma, 1e-16, factors, half_log_dets) == -1
    precisions(factors, out)
    np.testing.assert_allclose(out @ sigma, np.broadcast_to(np.eye(d), sigma.shape), atol=1e-9)
    np.testing.assert_allclose(half_log_dets, -0.5 * np.linalg.slogdet(sigma)[1], rtol=1e-11)
    assert np.array_equal(factors, np.tril(factors))


@pytest.mark.parametrize("d", [1, 3, 20, 70])
def test_singular_matrices_are_named(rng, d):
    """A pivot that is 0, negative or undefined, wherever it is, in the first component with one."""
    root = rng.normal(size=(d, 2 * d))
    good = root @ root.T
    for j in {0, d // 2, d - 1}:
        for value in (-1.0, np.nan):
            bad = good.copy()
            bad[j, j] = value
            sigma = np.stack([good, bad, bad])
            assert inverse_factors(sigma, 1e-16, np.empty_like(sigma), np.empty(3)) == 1
            assert np.isnan(cholesky(bad, np.empty((d, d))))


def test_a_part_without_a_wrapper_for_python_says_so():
    with pytest.raises(TypeError, match="from_python=True"):
        few_rows_pass(None, None, None, None, None)
