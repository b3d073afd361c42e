"""A fit by EM: estimates, criteria, how EM ended, saving and loading."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .._version import __version__
from ..data.same_data import Fingerprint
from ..families import Family
from ..mixture.mixture import Mixture
from ..mixture.prior import Prior
from ..utils.archive import read_arrays, unsealed, write_arrays
from ..utils.display import Displayed
from ..utils.plotting import PlotAccessor
from ..utils.types import FloatArray
from .parts import fields_of
from .predictions import Predictions
from .status import Status

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_FORMAT = "bayesgmm.Fit/5"
# The kinds of fits besides this one, by their names in files (`kinds.py` loads all of them).
_KINDS: dict[str, type[Fit]] = {}


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Predictions, Displayed):
    """A mixture fitted by EM.

    Attributes
    ----------
    mixture : Mixture
        The estimates as a distribution.
    family : Family
        Covariance family.
    n : int or float
        Number of rows fitted, or the sum of their weights.
    loglik : float
        Log-likelihood at the estimates (natural logarithm, data's own units).
    objective : float
        What EM maximised: `loglik`, plus the log prior density if there was a prior.
    entropy : float
        -sum_ik r_ik log r_ik of the responsibilities: 0 when every row is certain.
    log_map : float
        sum_i log max_k r_ik.
    history : tuple of float
        Objective after the start and after every iteration.
    status : Status
        How EM ended; `advice` says what to do next.
    degenerate_component : int or None
        The component whose covariance became singular, or rests on too few rows.
    prior : Prior or None
        The prior maximised under.
    starts : tuple of 3 int
        Starts made, those that led to an estimate, and those that reached this optimum.
    fingerprint : Fingerprint
        Summaries that tell the rows fitted, their weights, columns and order from others.
    unsound : int
        Starts, of those made, that ran to or beside a singular covariance.
    remark : str
        Why the fit is spurious; of an estimate, which other results of EM were set aside and why.
    """

    mixture: Mixture
    family: Family
    n: float
    loglik: float
    objective: float
    entropy: float
    log_map: float
    history: tuple[float, ...]
    status: Status
    degenerate_component: int | None
    prior: Prior | None
    starts: tuple[int, int, int]
    fingerprint: Fingerprint
    unsound: int = 0
    remark: str = ""
    plot = PlotAccessor()
    kind: ClassVar[str] = ""

    def __init_subclass__(cls, kind: str = "") -> None:
        """A kind of fit, by whose name a saved one is known; a user's own is of its parent's."""
        if kind:
            cls.kind = kind
            _KINDS[kind] = cls

    @property
    def moments(self) -> FloatArray:
        """Means and standard deviations of the rows fitted, (2, d)."""
        return self.fingerprint.moments

    @property
    def weighted(self) -> bool:
        """Whether the rows had weights."""
        return self.fingerprint.weighted

    @property
    def apart(self) -> str:
        """What the fit has that others do not know, as a `LabelledFit` has; "" here."""
        return ""

    @property
    def model_name(self) -> str:
        """What the cell of a grid is called, but for K: the family, and "+noise" where it is."""
        return self.family.name

    @property
    def weights(self) -> FloatArray:
        """Mixing proportions pi, (K,)."""
        return self.mixture.weights

    @property
    def means(self) -> FloatArray:
        """Component means mu, (K, d), in the data's units."""
        return self.mixture.means

    @property
    def covariances(self) -> FloatArray:
        """Component covariances Sigma, (K, d, d), in the data's units squared."""
        return self.mixture.covariances

    @property
    def expected_rows(self) -> FloatArray:
        """Rows that each component is expected to have, (K,)."""
        return self.n * self.weights

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        return self.mixture.names

    @property
    def n_components(self) -> int:
        """Number of components K."""
        return self.mixture.n_components

    @property
    def d(self) -> int:
        """Number of columns."""
        return self.mixture.d

    @property
    def n_iter(self) -> int:
        """EM iterations of the best start."""
        return len(self.history) - 1

    @property
    def converged(self) -> bool:
        """Whether EM stopped because nothing was left to gain."""
        return self.status is Status.CONVERGED

    @property
    def n_parameters(self) -> int:
        """Free parameters: proportions, means and covariances of the family."""
        return self.family.n_parameters(self.n_components, self.d)

    @property
    def aic(self) -> float:
        """Akaike's criterion, -2 loglik + 2 n_parameters; lower is better.

        NaN, like `bic` and `icl`, for a degenerate fit: its log-likelihood is not a maximum.
        """
        return self._penalised(2.0)

    @property
    def bic(self) -> float:
        """Schwarz's criterion, -2 loglik + n_parameters log n; lower is better.

        scikit-learn's sign: mclust reports its negative.
        """
        return self._penalised(float(np.log(self.n)))

    def _penalised(self, penalty: float) -> float:
        if self.status is Status.DEGENERATE:
            return float("nan")
        return -2 * self.loglik + penalty * self.n_parameters

    @property
    def icl(self) -> float:
        """Integrated complete likelihood, bic - 2 sum_i log max_k r_ik; lower is better.

        Biernacki, Celeux & Govaert (2000), IEEE PAMI 22, 719-725; mclust's definition, negated.
        """
        return self.bic - 2 * self.log_map

    @property
    def advice(self) -> str:
        """How EM ended, in words, and what to do next."""
        if self.status is Status.INTERRUPTED:
            return (
                "interrupted: EM was not run to its end on all rows; the log-likelihood given is "
                "that of all rows at the parameters given. Pass the grid as `resume` to go on."
            )
        if self.status.sound:
            return f"{self._how_it_ended}{'; ' if self.remark else ''}{self.remark}."
        which = self.degenerate_component
        if self.status is Status.SPURIOUS:
            return (
                f"spurious maximum: component {which} {self.remark}, and the fit owes its "
                "likelihood to that. Use fewer components, a family with fewer parameters, or a "
                "prior (prior=Prior.from_data(X))."
            )
        return (
            f"degenerate component {which}: its covariance shrank to a singular one, where the "
            "likelihood has no maximum. The parameters are the last valid ones, not an "
            "estimate: use fewer components, a family with fewer parameters, or a prior "
            "(prior=Prior.from_data(X))."
        )

    @property
    def _how_it_ended(self) -> str:
        """How a sound run ended, and how many starts reached the same optimum."""
        if self.status is Status.MAX_ITER:
            return (
                f"reached max_iter = {self.n_iter} before converging: raise max_iter, or loosen "
                "tol; the log-likelihood given belongs to the parameters given"
            )
        made, sound, same = self.starts
        text = f"converged after {self.n_iter} iterations"
        if made > 1:
            reached = "all" if same == sound > 1 else same
            text += f"; {made} starts tried, {sound} followed to an estimate, {reached} to this one"
            if same == 1:
                text += ": raise n_init to look for a better one"
        return text

    def to_xarray(self) -> xr.Dataset:
        """The estimates as a Dataset: pi, mu and Sigma over component and feature.

        Returns
        -------
        xarray.Dataset
        """
        import xarray as xr

        names = list(self.names)
        return xr.Dataset(
            {
                "pi": ("component", self.weights),
                "mu": (("component", "feature"), self.means),
                "Sigma": (("component", "feature", "feature_bis"), self.covariances),
            },
            coords={
                "component": list(self.components),
                "feature": names,
                "feature_bis": names,
            },
            attrs={"family": self.family.name, "loglik": self.loglik, "n": self.n},
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per component: proportion, means, standard deviations and correlations.

        Returns
        -------
        DataFrame
        """
        return self.mixture.to_frame()

    def to_meta(self) -> dict[str, Any]:
        """Everything but the arrays, as plain values.

        Returns
        -------
        dict
        """
        return {
            "version": __version__,
            "kind": self.kind,
            "family": self.family.name,
            "names": list(self.names),
            "component_names": list(self.component_names),
            "n": self.n,
            "loglik": self.loglik,
            "objective": self.objective,
            "entropy": self.entropy,
            "log_map": self.log_map,
            "status": self.status.name,
            "degenerate_component": self.degenerate_component,
            "starts": list(self.starts),
            "rows": self.fingerprint.n,
            "total": self.fingerprint.total,
            "weighted": self.weighted,
            "named": self.fingerprint.named,
            "missing": self.mixture.missing,
            "unsound": self.unsound,
            "remark": self.remark,
            "prior": None if self.prior is None else self.prior.to_dict(),
        }

    def to_arrays(self) -> dict[str, FloatArray]:
        """The arrays, by name; with `to_meta` all that `from_parts` needs.

        Returns
        -------
        dict of name to array
        """
        return {
            "weights": self.weights,
            "means": self.means,
            "covariances": self.mixture.variances if self.family.diagonal else self.covariances,
            "scale": self.mixture.scale,
            "history": np.array(self.history),
            "moments": self.moments,
            "projections": self.fingerprint.projections,
        }

    def save(self, path: str | Path) -> None:
        """Write the fit to a NumPy archive (.npz), without pickle.

        An old file is replaced when the new one is complete, and stays as it was otherwise.

        Parameters
        ----------
        path : str or Path
            The file.
        """
        write_arrays(path, _FORMAT, self.to_meta(), self.to_arrays())

    @classmethod
    def load(cls, path: str | Path) -> Fit:
        """Read a fit written by `save`.

        Parameters
        ----------
        path : str or Path
            The file.

        Returns
        -------
        Fit

        Raises
        ------
        OSError
            The file cannot be opened.
        ValueError
            The file is not a saved fit, or is damaged.
        """
        with unsealed(path, "fit") as file:
            return cls.from_parts(*read_arrays(file, _FORMAT))

    @classmethod
    def from_parts(cls, meta: dict[str, Any], arrays: dict[str, FloatArray]) -> Fit:
        """A fit from saved metadata and arrays.

        Parameters
        ----------
        meta : mapping
            What `to_meta` gives.
        arrays : mapping of name to array
            What `to_arrays` gives.

        Returns
        -------
        Fit

        Raises
        ------
        ValueError, LookupError, TypeError
            They do not make a fit: something is missing, of another type or impossible.
        """
        made = _KINDS[meta["kind"]] if meta.get("kind") else Fit
        return made(**fields_of(meta, arrays), **made._own_fields(meta, arrays))

    @classmethod
    def _own_fields(cls, meta: dict[str, Any], arrays: dict[str, FloatArray]) -> dict[str, Any]:
        """What a kind of fit has besides, from saved metadata and arrays."""
        return {}

    def _lines(self) -> list[tuple[str, str]]:
        return [
            ("rows x columns", f"{self.n} x {self.d}"),
            ("expected rows by component", self._sizes),
            ("log-likelihood", f"{self.loglik:.3f}"),
            ("free parameters", str(self.n_parameters)),
            ("AIC, BIC, ICL (lower is better)", f"{self.aic:.2f}, {self.bic:.2f}, {self.icl:.2f}"),
            ("EM", self.advice),
        ]

    @property
    def _sizes(self) -> str:
        names = self.component_names or ("",) * self.n_components
        pairs = zip(names, self.expected_rows, strict=True)
        return ", ".join(f"{name} {n:.4g}".lstrip() for name, n in pairs)

    def _title(self) -> str:
        kind = "MAP" if self.prior is not None else "maximum likelihood"
        return f"Gaussian mixture {self.model_name}, K = {self.n_components} ({kind})"

    def _table(self) -> pd.DataFrame:
        return self.mixture._table()
