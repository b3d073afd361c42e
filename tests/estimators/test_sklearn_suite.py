"""scikit-learn's own tests of its GaussianMixture, run against ours.

Ours is given scikit-learn's defaults. What is left out is named with the reason.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import bayesgmm

theirs = pytest.importorskip("sklearn.mixture.tests.test_gaussian_mixture")

# Warnings are errors in our runs; theirs let this one pass by its words, or where none is.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PRIVATE = "is about private functions or attributes"
WORDING = "asks for scikit-learn's words of a message"
LEFT_OUT = {
    "test_check_weights": WORDING,
    "test_check_means": WORDING,
    "test_check_precisions": WORDING,
    "test_gaussian_mixture_fit_convergence_warning": WORDING,
    "test_regularisation": WORDING + "; test_estimator has the case",
    "test_sample": WORDING,
    "test_suffstat_sk_full": PRIVATE,
    "test_suffstat_sk_tied": PRIVATE,
    "test_suffstat_sk_diag": PRIVATE,
    "test_gaussian_suffstat_sk_spherical": PRIVATE,
    "test_compute_log_det_cholesky": PRIVATE,
    "test_gaussian_mixture_log_probabilities": PRIVATE,
    "test_gaussian_mixture_estimate_log_prob_resp": PRIVATE,
    "test_gaussian_mixture_n_parameters": PRIVATE,
    "test_bic_1d_1component": PRIVATE,
    "test_gaussian_mixture_precisions_init_diag": PRIVATE,
    "test_gaussian_mixture_precisions_init": PRIVATE,
    "test_gaussian_mixture_all_init_does_not_estimate_gaussian_parameters": PRIVATE,
    "test_gaussian_mixture_array_api_compliance": "arrays of other libraries: ours are NumPy's",
    "test_gaussian_mixture_raises_where_array_api_not_implemented": "the same",
}


class WithTheirDefaults(bayesgmm.GaussianMixture):
    """Ours where nothing is said as scikit-learn's."""

    def __init__(
        self, n_components=1, *, covariance_type="full", tol=1e-3, reg_covar=1e-6, max_iter=100,
        n_init=1, init_params="kmeans", weights_init=None, means_init=None, precisions_init=None,
        random_state=None, warm_start=False, verbose=0, verbose_interval=10,
    ):  # fmt: skip
        super().__init__(
            n_components, covariance_type=covariance_type, tol=tol, reg_covar=reg_covar,
            max_iter=max_iter, n_init=n_init, init_params=init_params, weights_init=weights_init,
            means_init=means_init, precisions_init=precisions_init, random_state=random_state,
            warm_start=warm_start, verbose=verbose, verbose_interval=verbose_interval,
        )  # fmt: skip


WithTheirDefaults.__name__ = "GaussianMixture"


@pytest.fixture(autouse=True)
def ours(monkeypatch):
    monkeypatch.setattr(theirs, "GaussianMixture", WithTheirDefaults)


@pytest.fixture
def global_dtype():
    """Estimates are computed and given in double precision."""
    return np.float64


@pytest.fixture(params=[0, 42])
def global_random_seed(request):
    return request.param


THEIR_TESTS = {
    name: function
    for name, function in inspect.getmembers(theirs, inspect.isfunction)
    if name.startswith("test_") and function.__module__ == theirs.__name__
}
globals().update({name: f for name, f in THEIR_TESTS.items() if name not in LEFT_OUT})


def test_what_is_left_out_is_there():
    """The list names tests that this scikit-learn has; most of them are run."""
    assert set(LEFT_OUT) - set(THEIR_TESTS) <= {"test_gaussian_mixture_array_api_compliance"}
    assert len(THEIR_TESTS) - len(LEFT_OUT) >= 15
