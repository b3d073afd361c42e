"""The posterior of the densities of known classes: how sure the probabilities of classes are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.same_data import difference
from ..em.fit import fit
from ..mixture.draws import Draws
from ..mixture.evaluation import evaluated
from ..mixture.mixture import Mixture
from ..posterior.posterior import Posterior
from ..posterior.summaries.allocations import class_intervals
from ..sampling.refine import refine
from ..utils.display import Displayed
from ..utils.errors import DataError
from ..utils.matrices import as_full
from ..utils.types import FloatArray, IntArray
from ..utils.validation import whole_seed
from .class_models import ClassModel, Labelled

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

# Options of `refine` that a classifier answers itself, with what to do.
_NOT_HERE = {
    "fit": "the classifier is the fit",
    "model": "refine(X, fit, model=...) samples a model of your own",
    "sample_weight": "pass it beside X and y, not by name of a column",
}
# Two estimates of the same rows agree to so many standard deviations of the columns.
_SAME = 1e-4
_OTHER_CLASSES = (
    "these rows were fitted with other classes: pass those that were fitted, or fit these first."
)


@dataclass(frozen=True, eq=False, repr=False)
class ClassPosterior(Displayed):
    """Draws of the densities of known classes, and what they say of other rows.

    Attributes
    ----------
    classes : tuple
        The C classes, sorted.
    posteriors : tuple of Posterior
        What was sampled: of "edda" one posterior of all classes, of "mclustda" one for each class,
        which are independent given the classes of the rows.
    draws : Draws
        S draws of the components of all classes, class after class, in proportion to the classes'
        probabilities.
    starts : int array (C,)
        The first component of each class in `draws`.
    mixture : Mixture
        The estimate, whose columns rows must have.

    See Also
    --------
    DiscriminantAnalysis : Its `refine` makes it.
    Posterior : The posterior of a mixture.

    References
    ----------
    Geisser (1964), J. R. Stat. Soc. B 26, 69-76 (predictive classification).
    """

    classes: tuple[Any, ...]
    posteriors: tuple[Posterior, ...]
    draws: Draws
    starts: IntArray
    mixture: Mixture

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the chains, in words; empty if nothing is."""
        if len(self.posteriors) == 1:
            return tuple(self.posteriors[0].diagnostics.problems)
        return tuple(
            f"class {name!r}: {text}"
            for name, posterior in zip(self.classes, self.posteriors, strict=True)
            for text in posterior.diagnostics.problems
        )

    def probabilities(
        self,
        X: Any,  # noqa: N803
        *,
        ci_prob: float = 0.89,
        n_draws: int | None = None,
    ) -> xr.Dataset:
        """Probabilities of the classes with their uncertainty.

        Parameters
        ----------
        X : array-like (n, d)
            Rows; the columns of a table are found by name.
        ci_prob : float
            Probability of the equal-tailed interval, between 0 and 1.
        n_draws : int, optional
            Use only so many draws, evenly spaced.

        Returns
        -------
        xarray.Dataset
            Over obs_id and class: `mean`, `sd`, `lower` and `upper` of the probability over the
            draws, and `most_probable`, the share of draws in which the class is the likeliest.

        Raises
        ------
        DataError
            Rows that the classifier cannot take.
        ValueError
            ci_prob or n_draws is out of range.
        """
        rows, draws = self.mixture.rows(X), self.draws.thinned(n_draws)
        table = class_intervals(rows, draws, self.starts, ci_prob)
        return table.assign_coords({"class": list(self.classes)})

    def predict_proba(self, X: Any) -> FloatArray:  # noqa: N803
        """The posterior predictive probabilities of the classes, (n, C); rows sum to 1.

        P(c | x) is in proportion to the posterior mean of the class's probability times its density
        at x: how wide each density may be counts, which the estimates do not know. This differs
        from the mean over draws of P(c | x, draw) by what x itself says of the densities.

        Parameters
        ----------
        X : array-like (n, d)
            Rows; the columns of a table are found by name.

        Returns
        -------
        array (n, C)

        Raises
        ------
        DataError
            Rows that the classifier cannot take.
        """
        rows = self.mixture.rows(X)
        total = np.full((rows.n, len(self.classes)), -np.inf)
        for density, resp in evaluated(rows, self.draws, responsibilities=True):
            shares = np.add.reduceat(resp, self.starts, axis=1)
            with np.errstate(divide="ignore"):  # a class far away has no share in this draw
                np.logaddexp(total, density[:, None] + np.log(shares), out=total)
        total -= total.max(axis=1, keepdims=True)
        shares = np.exp(total)
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> Any:  # noqa: N803
        """The class of each row whose predictive probability is largest, (n,).

        Parameters
        ----------
        X : array-like (n, d)
            Rows; the columns of a table are found by name.

        Returns
        -------
        array (n,)

        Raises
        ------
        DataError
            Rows that the classifier cannot take.
        """
        return np.array(self.classes)[np.argmax(self.predict_proba(X), axis=1)]

    def _title(self) -> str:
        return f"Posterior of {len(self.classes)} classes, {len(self.draws)} draws"

    def _lines(self) -> list[tuple[str, str]]:
        return [("problems", " ".join(self.problems) or "none")]

    def _table(self) -> pd.DataFrame:
        import pandas as pd

        shares = np.add.reduceat(self.draws.weights, self.starts, axis=1)
        ends = np.append(self.starts[1:], self.draws.n_components)
        columns = {
            "components": ends - self.starts,
            "probability": shares.mean(axis=0),
            "sd": shares.std(axis=0),
        }
        return pd.DataFrame(columns, index=pd.Index(map(str, self.classes), name="class"))


def class_posterior(
    rows: Labelled,
    model: ClassModel,
    class_priors: FloatArray | None,
    options: dict[str, Any],
) -> ClassPosterior:
    """Sample the posterior of the densities of classes.

    Parameters
    ----------
    rows : Labelled
        The rows that were fitted.
    model : ClassModel
        What was estimated from them.
    class_priors : array (C,), optional
        Probabilities of the classes that are given; else they have a posterior too.
    options : dict
        Of `refine`.

    Raises
    ------
    DataError
        The rows are not those that were fitted.
    ValueError, NotImplementedError
        As `refine`, or an option that a classifier cannot have.
    """
    for name, cure in _NOT_HERE.items():
        if name in options:
            raise ValueError(f"refine of a classifier has no {name}: {cure}.")
    of_classes = _of_mixtures if model.fits else _of_gaussians
    posteriors, draws = of_classes(rows, model, class_priors, options)
    return ClassPosterior(rows.classes, posteriors, draws, model.starts, model.mixture)


def _of_gaussians(
    rows: Labelled, model: ClassModel, class_priors: FloatArray | None, options: dict[str, Any]
) -> tuple[tuple[Posterior, ...], Draws]:
    """All classes at once, since their covariances may share parts."""
    labels = np.array(rows.classes)[rows.index]
    estimate = fit(rows.data, len(rows.classes), model.models[0], labels=labels, random_seed=0)
    gap = np.abs(estimate.means - model.mixture.means).max()
    if not gap <= _SAME * float(np.max(rows.data.scale)):
        raise DataError(_OTHER_CLASSES)
    posterior = refine(rows.data, estimate, **options)
    draws = posterior.draws
    if class_priors is not None:
        weights = np.broadcast_to(class_priors, draws.weights.shape)
        draws = Draws(np.ascontiguousarray(weights), draws.means, draws.covariances)
    return (posterior,), draws


def _of_mixtures(
    rows: Labelled, model: ClassModel, class_priors: FloatArray | None, options: dict[str, Any]
) -> tuple[tuple[Posterior, ...], Draws]:
    """Each class by itself: given the classes their mixtures are independent.

    The classes' probabilities, if they are not given, are Dirichlet(1) a priori.
    """
    if options.get("checkpoint") is not None:
        raise ValueError(
            "a checkpoint keeps one posterior, and 'mclustda' has one for each class: leave it out."
        )
    if options.get("weights") == "pseudo" and class_priors is None:
        raise NotImplementedError(
            "under survey weights the shares of the classes have no posterior here: pass "
            "class_priors to the classifier."
        )
    tables = [rows.of_class(c) for c in range(len(rows.classes))]
    for estimate, table in zip(model.fits, tables, strict=True):
        if difference(estimate.fingerprint, table.fingerprint, "", ""):
            raise DataError(_OTHER_CLASSES)
    stream = np.random.SeedSequence(whole_seed(options.get("random_seed")))
    *seeds, own = map(int, stream.generate_state(len(rows.classes) + 1))
    posteriors = tuple(
        refine(table, estimate, **options | {"random_seed": seed})
        for table, estimate, seed in zip(tables, model.fits, seeds, strict=True)
    )
    size = min(len(posterior.draws) for posterior in posteriors)
    parts = [posterior.draws.thinned(size) for posterior in posteriors]
    if class_priors is None:
        shares = np.random.default_rng(own).dirichlet(1 + rows.counts, size)
    else:
        shares = np.broadcast_to(class_priors, (size, len(parts)))
    return posteriors, Draws(
        np.hstack([shares[:, c, None] * part.weights for c, part in enumerate(parts)]),
        np.concatenate([part.means for part in parts], axis=1),
        np.concatenate([as_full(part.covariances, leading=2) for part in parts], axis=1),
    )
