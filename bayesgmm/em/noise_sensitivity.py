"""How much a fit with noise depends on the noise's density."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.data import Data
from ..data.same_data import refuse_other_data
from ..mixture.noise import Noise
from ..mixture.of_results import estimate_of
from ..utils.types import IntArray
from ..utils.validation import positive
from .fit import fit as refit
from .labelled_fit import LabelledFit
from .noisy_fit import NoisyFit

if TYPE_CHECKING:
    import pandas as pd


def noise_sensitivity(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    fit: NoisyFit,
    factors: Sequence[float] = (0.01, 0.1, 0.3, 1.0, 3.0),
    *,
    sample_weight: Any = None,
) -> pd.DataFrame:
    """How a fit with noise changes with the density of the noise.

    The volume over which noise is spread is a choice: one far row makes the box around the data,
    mclust's choice, many times as large. EM goes on from the fit with multiples of its density.

    Parameters
    ----------
    X : array-like (n, d)
        The rows fitted.
    fit : NoisyFit
        A fit with noise, or a `Selection` whose best fit is one.
    factors : sequence of float
        What the density is multiplied by.
    sample_weight : array-like (n,) or str, optional
        The weights of the fit's rows.

    Returns
    -------
    DataFrame
        By factor: `density`, `share` of noise, `noise_rows` (rows that are most probably noise,
        which rows with a label are not), `moved` (rows whose most probable component, or noise, is
        not the fit's) and `loglik`, which grows with the density and does not choose it. Rows
        with weights count for these.

    Raises
    ------
    TypeError
        A fit without noise.
    ValueError
        A factor that is not positive.
    DataError
        Other rows or weights than the fit's.

    See Also
    --------
    fit : Fit a mixture of given covariance structure and number of components.

    Examples
    --------
    >>> import bayesgmm
    >>> X = bayesgmm.datasets.load_faithful()
    >>> fit = bayesgmm.fit(X, 2, noise=True, random_seed=1)
    >>> table = bayesgmm.noise_sensitivity(X, fit, [0.1, 1.0])
    >>> list(table.columns), int(table.loc[1.0, "moved"])
    (['density', 'share', 'noise_rows', 'moved', 'loglik'], 0)
    """
    import pandas as pd

    found = estimate_of(fit)
    if not isinstance(found, NoisyFit):
        raise TypeError(f"fit is a {type(fit).__name__}: pass a fit with noise=True.")
    data = found.mixture.rows(X, sample_weight)
    refuse_other_data(found.fingerprint, data.fingerprint, "pass the rows (and weights) fitted.")
    labels = found.labels if isinstance(found, LabelledFit) else None
    seen = data if labels is None else labels.seen_in(data)
    called = _called(found, seen)
    rows = []
    for factor in factors:
        density = positive(factor, "factors") * found.noise_density
        other = refit(
            data, found.n_components, found.family, prior=found.prior, start=found.mixture,
            labels=None if labels is None else labels.table,
            noise=Noise(math.log(density), False, found.noise.ends),
        )  # fmt: skip
        assert isinstance(other, NoisyFit)
        component = _called(other, seen)
        rows.append([
            density, other.noise_share, _number(component == found.n_components, seen),
            _number(component != called, seen), other.loglik,
        ])  # fmt: skip
    columns = ["density", "share", "noise_rows", "moved", "loglik"]
    index = pd.Index([float(factor) for factor in factors], name="factor")
    return pd.DataFrame(rows, columns=columns, index=index)


def _called(fit: NoisyFit, data: Data) -> IntArray:
    """The most probable component (n,) of each row given its values and label, K for noise."""
    return np.argmax(fit.noisy_mixture.responsibilities(data), axis=1)


def _number(chosen: NDArray[np.bool_], data: Data) -> float:
    """What rows count for: how many they are, unless they have weights."""
    return int(chosen.sum()) if data.weights is None else float(data.weights @ chosen)
