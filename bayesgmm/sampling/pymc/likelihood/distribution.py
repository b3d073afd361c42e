"""A Gaussian mixture as a PyMC distribution of rows: draws, and the density of `op`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.distribution import _support_point
from pymc.logprob.abstract import _logprob
from pymc.pytensorf import convert_observed_data
from pytensor.graph import Apply, Constant, Variable
from pytensor.link.numba.dispatch.random import numba_core_rv_funcify
from pytensor.tensor.random.op import RandomVariable

from ....kernels.cache import VERSION_NUMBER
from ....utils.errors import DataError
from ....utils.types import FloatArray
from .admissible import known_components, of_admissible
from .draws import compiled_draw, draw_rows, square_roots
from .op import FORMS, N_AXES, MixtureLogLikelihood

_ONE_SET = "GaussianMixture takes one set of parameters at a time: "
# Axes of the inputs that a covariance is; their names only have to differ from those of rows.
_CORE = {name: "(j,p,p)" for name in FORMS} | {"sigma": "(j,p)", "bartlett": "(j,p),(j,m),(p,p)"}

# What stands for the second and third input of "bartlett" in other forms.
_NO_ROOT = (np.empty((0, 0)), np.empty((0, 0)))


class GaussianMixtureRV(RandomVariable):
    """Rows of a Gaussian mixture, or numbers: inputs w, mu and the covariance in that form."""

    name = "gaussian_mixture"
    __props__ = (*RandomVariable.__props__, "form", "one_column")
    _print_name = ("GaussianMixture", "\\operatorname{GaussianMixture}")

    def __init__(self, form: str, one_column: bool, inplace: bool = False, **_: Any) -> None:
        self.form = form
        self.one_column = one_column
        mean, row = ("(k)", "()") if one_column else ("(k,d)", "(d)")
        signature = f"(k),{mean},{_CORE[form]}->{row}"
        super().__init__(dtype="float64", inplace=inplace, signature=signature)

    def rng_fn(self, rng: np.random.Generator, *args: Any) -> FloatArray:
        """Draw rows; parameters may differ by row, covariances may not."""
        w, mu, *covariance, size = args
        if self.one_column:
            mu = mu[..., None]
        values, *rest = [
            _without_batch(v, n) for v, n in zip(covariance, self.ndims_params[2:], strict=True)
        ]
        roots = square_roots(FORMS[self.form], mu.shape[-1], values, *(rest or _NO_ROOT))
        batch = np.broadcast_shapes(w.shape[:-1], mu.shape[:-2]) if size is None else tuple(size)
        rows = draw_rows(rng, w, mu, roots, batch)
        return rows[..., 0] if self.one_column else rows


@numba_core_rv_funcify.register(GaussianMixtureRV)
def _compile_draw(op: GaussianMixtureRV, node: Apply) -> tuple[Any, int]:
    """The compiled draw of one row, as by `rng_fn`."""
    return compiled_draw(FORMS[op.form], len(op.ndims_params) > 3, op.one_column), VERSION_NUMBER


def _without_batch(value: FloatArray, ndim: int) -> FloatArray:
    """The array without leading axes, which must have length 1."""
    if value.size != np.prod(value.shape[value.ndim - ndim :]):
        raise NotImplementedError(_ONE_SET + "covariances cannot differ by row.")
    return value.reshape(value.shape[value.ndim - ndim :])


class GaussianMixture(pm.Continuous):
    """Rows drawn independently from a Gaussian mixture, the allocations summed out.

    It says what ``pm.Mixture(name, w, pm.MvNormal.dist(mu, cov))`` says, with the density and
    its gradient from one pass of compiled code over the rows, which no model compiles again.

    Parameters
    ----------
    w : tensor (K,) or (n, K)
        Proportions, which sum to 1; or those of each row (covariates, ``w[group]``).
    mu : tensor (K, d) or (n, K, d)
        Means; or those of each row (a regression in every component). With one column (K,); then
        the variable is numbers (n,), and means by row are (n, K) where the observed ones are (n,)
        (or ``one_column=True``).
    cov, chol, tau : tensor (K, d, d) or (d, d)
        One of them: covariances, their lower Cholesky factors, or precisions, of each component or
        shared by all. Of each matrix the lower triangle is read.
    sigma : tensor (K, d), (1, d), (K,) or ()
        Instead: standard deviations by component and column, of all components, of all columns, or
        one.
    bartlett : (tensor (K, d) or (d,), tensor (K, d(d-1)/2) or (d(d-1)/2,), tensor (d, d))
        Instead: Bartlett's T by its squared diagonal and its strict lower part by rows, and M,
        upper triangular; the precision is M T T' M'. So `build_model` has full covariances.
    one_column : bool, optional
        Whether the variable is numbers (n,). Left out: whether mu is (K,), or the observed are.
    admissible : array (n, K) of bool, optional
        The components that each row can belong to: labels. Its density is the sum over these, that
        of the row and of what is known of it together.
    **kwargs
        As of every distribution of PyMC: ``observed``, ``dims``, ``shape``, ``total_size``.

    Raises
    ------
    ValueError
        Not one of cov, chol, tau, sigma, bartlett; shapes that do not fit.
    NotImplementedError
        Several sets of parameters at once, second derivatives.
    DataError
        Observed values that are infinite.

    Notes
    -----
    Gradients come from one pass by Fisher's identity (Louis 1982, JRSS B 44, eq. 3.1). There are no
    second derivatives. Where the parameters are no mixture (a weight that is negative, a covariance
    that is not positive definite) the log density is -inf; sums of `w` are taken as they come.

    Observed values may be missing (NaN, or a masked array): each row then counts with the marginal
    density of what it has, 1 if that is nothing, and no parameter stands for what it misses.
    Proportions and means by row need complete rows.

    Examples
    --------
    >>> import numpy as np, pymc as pm, bayesgmm.pymc
    >>> X = np.random.default_rng(1).normal(size=(20, 2))
    >>> with pm.Model():
    ...     w = pm.Dirichlet("w", np.ones(2))
    ...     mu = pm.Normal("mu", 0, 3, shape=(2, 2))
    ...     y = bayesgmm.pymc.GaussianMixture("y", w, mu, sigma=1.0, observed=X)
    >>> y.type.shape
    (20, 2)
    """

    rv_type = GaussianMixtureRV

    def __new__(
        cls, name: str, *args: Any, observed: Any = None, **kwargs: Any
    ) -> pt.TensorVariable:
        """One variable in the open model."""
        if observed is not None:
            observed = as_observed(observed)
            kwargs.setdefault("one_column", observed.ndim == 1)
        return super().__new__(cls, name, *args, observed=observed, **kwargs)

    @classmethod
    def dist(
        cls,
        w: Any,
        mu: Any,
        cov: Any = None,
        *,
        chol: Any = None,
        tau: Any = None,
        sigma: Any = None,
        bartlett: Any = None,
        one_column: bool | None = None,
        admissible: Any = None,
        **kwargs: Any,
    ) -> pt.TensorVariable:
        """One variable outside a model."""
        w, mu = _tensor(w), _tensor(mu)
        w = w if admissible is None else of_admissible(w, admissible)
        one_column = one_column or mu.ndim == 1
        _check_axes("w", w, 1)
        _check_axes("mu", mu, 1 if one_column else 2)
        given = dict(cov=cov, chol=chol, tau=tau, sigma=sigma, bartlett=bartlett)
        form, covariance = _covariance({n: v for n, v in given.items() if v is not None})
        _check_components(w, mu, covariance[0], -1 if one_column else -2)
        kwargs |= {"form": form, "one_column": one_column}
        return super().dist([w, mu, *covariance], **kwargs)

    @classmethod
    def rv_op(
        cls, *parameters: Variable, form: str, one_column: bool, size: Any = None, rng: Any = None
    ) -> pt.TensorVariable:
        """The random variable with covariances in that form."""
        rng = pt.random.shared_rng(seed=None) if rng is None else rng
        op = GaussianMixtureRV(form, one_column)
        return op(*parameters, size=size, rng=rng, return_next_rng=True)[1]


def _tensor(value: Any) -> pt.TensorVariable:
    return pt.as_tensor_variable(value).astype("float64")


def as_observed(observed: Any) -> Any:
    """What was observed, as PyMC takes it; rows that miss values as a constant of their own.

    PyMC would make parameters of missing values.
    """
    observed = convert_observed_data(observed)
    if isinstance(observed, Variable):  # pm.Data refuse missing values themselves
        return observed
    values = np.ma.filled(np.ma.asarray(observed, float), np.nan)
    if np.isinf(values).any():
        raise DataError(f"{int(np.isinf(values).sum())} of the observed values are infinite.")
    return pt.constant(values) if np.isnan(values).any() else observed


def _check_axes(name: str, value: pt.TensorVariable, core: int) -> None:
    if value.ndim == core - 1 or value.ndim > core + 1:
        raise NotImplementedError(
            f"{_ONE_SET}{name} has {value.ndim} axes, {core} are expected, or {core + 1} where "
            "it differs by row."
        )


def _covariance(given: dict[str, Any]) -> tuple[str, list[pt.TensorVariable]]:
    """The form of the covariances, and the inputs of the random variable for them."""
    if len(given) != 1:
        names = ", ".join(given) or "none"
        raise ValueError(f"give one of {', '.join(FORMS)} to GaussianMixture, not {names}.")
    [(form, value)] = given.items()
    if form == "bartlett":
        chi2, lower, root = map(_tensor, value)
        return form, [*(v if v.ndim == 2 else v[None] for v in (chi2, lower)), root]
    value = _tensor(value)
    if form == "sigma":
        value = value.reshape((-1, 1)) if value.ndim < 2 else value
    elif value.ndim == 2:
        value = value[None]
    if value.ndim != N_AXES[form]:
        raise NotImplementedError(
            f"{_ONE_SET}{form} has {value.ndim} axes; covariances cannot differ by row."
        )
    return form, [value]


def _check_components(w: Variable, mu: Variable, covariance: Variable, axis: int) -> None:
    """Refuse different numbers of components, where they are known."""
    counts = {
        "w": w.type.shape[-1],
        "mu": mu.type.shape[axis],
        "covariance": covariance.type.shape[0],
    }
    k = counts["w"] or counts["mu"]
    for name, count in counts.items():
        if k and count and count != k and not (name == "covariance" and count == 1):
            raise ValueError(
                f"GaussianMixture: w has {k} components, the {name} {count}. A sigma (d,) for all "
                "components is written sigma[None, :]."
            )


@_logprob.register(GaussianMixtureRV)
def _mixture_logprob(
    op: GaussianMixtureRV, values: Sequence[Variable], rng: Variable, size: Variable,
    *parameters: Variable, **kwargs: Any,
) -> Variable:  # fmt: skip
    [x] = values
    observed: Any = x.data if isinstance(x, Constant) else None
    if op.one_column:
        x, parameters = x[..., None], (parameters[0], parameters[1][..., None], *parameters[2:])
    if x.type.ndim > 2:
        raise NotImplementedError("GaussianMixture takes rows (n, d), or one row (d,).")
    shares, admissible = known_components(parameters[0])
    w, mu = _with_rows(shares, 1), _with_rows(parameters[1], 2)
    covariance, *rest = [
        _one(v, n) for v, n in zip(parameters[2:], op.ndims_params[2:], strict=True)
    ]
    rows = x[None] if x.type.ndim == 1 else x
    at = w, mu, covariance, *(rest or _NO_ROOT), rows
    incomplete = observed is not None and np.isnan(observed).any()
    if incomplete or admissible is not None:
        from .incomplete import IncompleteLogLikelihood, groups_as_numbers

        if observed is None:
            raise ValueError("rows of admissible components are passed as an array, not pm.Data.")
        table = observed[..., None] if op.one_column else np.atleast_2d(observed)
        groups = groups_as_numbers(table, admissible)
        log_density = IncompleteLogLikelihood(op.form)(*at, groups)[0]
    else:
        log_density = MixtureLogLikelihood(op.form)(*at)[0]
    return log_density[0] if x.type.ndim == 1 else log_density


def _with_rows(parameter: Variable, ndim: int) -> Variable:
    """The parameter with one axis for the rows, of length 1 if they share it."""
    batch = parameter.type.ndim - ndim
    if batch > 1:
        raise NotImplementedError(_ONE_SET + "one axis before those of a mixture, for the rows.")
    return parameter if batch else parameter[None]


def _one(parameter: Variable, ndim: int) -> Variable:
    """The parameter without the axes that RandomVariable put before."""
    batch = tuple(range(parameter.type.ndim - ndim))
    if not all(parameter.type.broadcastable[i] for i in batch):
        raise NotImplementedError(_ONE_SET + "covariances cannot differ by row.")
    return parameter.squeeze(batch) if batch else parameter


@_support_point.register(GaussianMixtureRV)
def _mixture_support_point(
    op: GaussianMixtureRV, rv: Variable, rng: Variable, size: Variable, w: Variable, mu: Variable,
    *_: Variable,
) -> Variable:  # fmt: skip
    mean = (w * mu).sum(axis=-1) if op.one_column else (w[..., None] * mu).sum(axis=-2)
    return pt.broadcast_to(mean, rv.shape)
