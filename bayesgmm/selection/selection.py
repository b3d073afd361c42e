"""A grid of fits, ranked by a criterion; saving and loading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..em.kinds import Fit
from ..em.noisy_fit import SUFFIX
from ..families import FAMILIES, simplest_name
from ..utils.archive import read_arrays, unsealed, write_arrays
from ..utils.plotting import PlotAccessor
from ..utils.types import FloatArray, IntArray
from ..utils.validation import check_integer, number
from .criteria import Criterion, Score, criterion_of
from .noise_alone import NoiseAlone

if TYPE_CHECKING:
    import pandas as pd

_FORMAT = "bayesgmm.Selection/4"

type CellName = tuple[str, int]


@dataclass(frozen=True, eq=False)
class Selection:
    """Fits of a grid of families and numbers of components.

    Attributes
    ----------
    fits : dict of (family name, K) to Fit
        Every cell in which EM ran.
    failures : dict of (family name, K) to str
        Cells without an estimate, and why: EM ended at or beside a singular covariance, could not
        start, or found no sound maximum above that of a smaller family.
    criterion : {"bic", "icl", "aic", "cv"}
        The criterion of `best` and `top`.
    cv : dict of (family name, K) to (float, float)
        Cross-validated log-likelihood per row and its standard error, where it was asked for.
    noise_alone : NoiseAlone, optional
        The model of no component, where the grid has noise: a row of the table, never `best`.
    interrupted : bool
        Whether the search was stopped by Ctrl-C: cells are missing, or may have better estimates.

    See Also
    --------
    select : All covariance structures with every number of components.
    compare : Fits, grids and posteriors in one table.
    """

    fits: dict[CellName, Fit]
    failures: dict[CellName, str]
    criterion: str = "bic"
    cv: Mapping[CellName, Score] = field(default_factory=dict)
    interrupted: bool = False
    noise_alone: NoiseAlone | None = None
    plot = PlotAccessor()

    @property
    def table(self) -> pd.DataFrame:
        """One row per cell, the best by the criterion first; failed cells last.

        Columns: family, K, n_parameters, loglik, aic, bic, icl (lower is better), cv_loglik and
        cv_se (per row, higher is better; only if cross-validated), delta_bic (to the lowest),
        n_iter, starts_agreeing (of those made), status, note (why a cell
        has no estimate, or what was set aside beside it).
        """
        import pandas as pd

        ranked_by = criterion_of(self.criterion)
        lowest = min((fit.bic for fit in self.sound.values()), default=np.nan)
        rows: list[dict[str, Any]] = []
        for (family, k), fit in self.ranked.items():
            row = {"family": family, "K": k, "n_parameters": fit.n_parameters}
            row |= {name: getattr(fit, name) for name in ("loglik", "aic", "bic", "icl")}
            if self.cv:
                row["cv_loglik"], row["cv_se"] = self.cv.get((family, k), _NO_SCORE)
            row |= {
                "delta_bic": fit.bic - lowest,
                "n_iter": fit.n_iter,
                "starts_agreeing": f"{fit.starts[2]}/{fit.starts[0]}",
                "status": fit.status.value,
                "note": self._note((family, k)),
            }
            rows.append(row)
        columns = list(rows[0]) if rows else _COLUMNS
        if self.noise_alone is not None:  # grids with noise are ranked by a column
            alone = self.noise_alone.row
            column = "cv_loglik" if ranked_by.folds else ranked_by.name
            *others, own = [
                _worst_last(ranked_by.sign * float(row[column])) for row in [*rows, alone]
            ]
            rank = sum(other <= own for other in others)
            rows.insert(rank, alone | {"delta_bic": alone["bic"] - lowest})
        for (family, k), reason in self.failures.items():
            row = {"family": family, "K": k, "starts_agreeing": "", "status": "failed"}
            rows.append(row | {"note": reason})
        table = pd.DataFrame(rows, columns=columns)
        numbers = [c for c in columns if c not in ("family", "starts_agreeing", "status", "note")]
        table[numbers] = table[numbers].astype("float64")
        return table.astype({"K": "int64", "n_parameters": "Int64", "n_iter": "Int64"})

    @property
    def best(self) -> Fit:
        """The best fit by the grid's criterion.

        Raises
        ------
        ValueError
            No cell has an estimate, or none could be cross-validated, where that is the criterion.
        """
        return self.top(1)[0]

    def __fit__(self) -> Fit:
        """The fit that the grid stands for where a function takes one: the best."""
        return self.best

    def __getitem__(self, cell: CellName) -> Fit:
        """The fit of a family and number of components: `selection["EEE", 3]`.

        Raises
        ------
        KeyError
            The grid has no such cell, or the cell no estimate; the message says why.
        """
        if cell in self.failures:
            raise KeyError(f"{cell} has no estimate: {self.failures[cell]}")
        if cell in self.fits:
            return self.fits[cell]
        families = ", ".join(dict.fromkeys(family for family, _ in self._cells))
        ks = ", ".join(map(str, sorted({k for _, k in self._cells})))
        raise KeyError(f"{cell!r} is no cell: pass one of {families}, and K of {ks}.")

    def predict(self, X: Any) -> IntArray:  # noqa: N803 - scikit-learn's name for the data
        """The most probable component of each row under the best fit, (n,) of int.

        Parameters
        ----------
        X : array-like (n, d)
            Rows; the columns of a table are found by name.

        Returns
        -------
        int array (n,)
        """
        return self.best.predict(X)

    def predict_proba(self, X: Any) -> FloatArray:  # noqa: N803 - scikit-learn's name for the data
        """Responsibilities of the rows under the best fit, (n, K).

        Parameters
        ----------
        X : array-like (n, d)
            Rows; the columns of a table are found by name.

        Returns
        -------
        array (n, K)
        """
        return self.best.predict_proba(X)

    def top(self, n: int = 3, criterion: str | None = None) -> list[Fit]:
        """The n best fits, by the grid's criterion or another.

        Parameters
        ----------
        n : int
            How many.
        criterion : str, optional
            A name that `select` takes; the grid's own if left out.

        Returns
        -------
        list of Fit

        Raises
        ------
        ValueError
            No cell has an estimate; an unknown criterion, or "cv" of a grid without it, or in which
            no cell could be cross-validated.
        """
        n = check_integer("n", n, 1)
        ranked_by = criterion_of(self.criterion if criterion is None else criterion)
        if ranked_by.folds and not self.cv:
            raise ValueError("the grid was not cross-validated: select(..., cv=10) does that.")
        if not self.sound:
            reasons = "; ".join(sorted(set(self.failures.values())))
            raise ValueError(f"no cell of the grid has an estimate: {reasons}")
        if not self._has_values(ranked_by):
            raise ValueError(
                "no cell of the grid could be cross-validated: of each, a fold leaves rows without "
                "a sound estimate. Pass a larger cv=, families of fewer parameters, or another "
                'criterion, such as .top(1, "bic").'
            )
        return [self.sound[cell] for cell in self._in_order(ranked_by)[:n]]

    def grid(self, criterion: str = "bic") -> pd.DataFrame:
        """A criterion by number of components (rows) and family; NaN where a cell failed.

        Lower is better, but for "cv", the cross-validated log-likelihood per row.

        Parameters
        ----------
        criterion : str, optional
            A name that `select` takes.

        Returns
        -------
        DataFrame
        """
        import pandas as pd

        shown = criterion_of(criterion)
        cells = self._cells
        families = sorted({family for family, _ in cells}, key=_NAMES.index)
        ks = sorted({k for _, k in cells})
        values = [[self._value(shown, (f, k)) for f in families] for k in ks]
        return pd.DataFrame(
            values, index=pd.Index(ks, name="K"), columns=pd.Index(families, name="family")
        )

    @property
    def sound(self) -> dict[CellName, Fit]:
        """The cells that have an estimate."""
        return {cell: fit for cell, fit in self.fits.items() if cell not in self.failures}

    @property
    def ranked(self) -> dict[CellName, Fit]:
        """The cells that have an estimate, the best first; those without a value come last."""
        sound = self.sound
        return {cell: sound[cell] for cell in self._in_order(criterion_of(self.criterion))}

    @property
    def _cells(self) -> list[CellName]:
        return [*self.fits, *self.failures]

    def _value(self, criterion: Criterion, cell: CellName) -> float:
        if cell in self.failures:
            return np.nan
        return criterion.value(self.fits[cell], self.cv.get(cell, _NO_SCORE))

    def _has_values(self, criterion: Criterion) -> bool:
        """Whether a cell that has an estimate has a value of the criterion."""
        return any(not np.isnan(self._value(criterion, cell)) for cell in self.sound)

    def _in_order(self, criterion: Criterion) -> list[CellName]:
        """The cells that have an estimate, the best first, and a missing value last.

        Families of one model (K = 1) differ by rounding alone: they stay in the grid's order.
        """
        keys: dict[CellName, float] = {}
        of_model: dict[CellName, float] = {}
        for family, k in self.sound:
            key = _worst_last(criterion.sign * self._value(criterion, (family, k)))
            first = of_model.setdefault((simplest_name(family, k), k), key)
            same = np.isclose(key, first, rtol=_ROUNDING, atol=_ROUNDING)
            keys[family, k] = first if same else key
        return sorted(keys, key=keys.__getitem__)

    def _note(self, cell: CellName) -> str:
        """What is to be known of a cell that has an estimate."""
        fit = self.fits[cell]
        notes = [fit.remark if fit.converged else fit.advice]
        if np.isnan(self.cv.get(cell, (0.0, 0.0))[0]):
            notes.append("not cross-validated: a fold leaves rows without a sound estimate")
        return "; ".join(note for note in notes if note)

    def save(self, path: str | Path) -> None:
        """Write the grid to a NumPy archive (.npz), without pickle.

        An old file is replaced when the new one is complete, and stays as it was otherwise.

        Parameters
        ----------
        path : str or Path
            The file.
        """
        arrays: dict[str, Any] = {}
        meta: dict[str, Any] = {"criterion": self.criterion, "fits": []}
        meta["interrupted"] = self.interrupted
        meta["noise_alone"] = None if self.noise_alone is None else asdict(self.noise_alone)
        meta["failures"] = [[family, k, text] for (family, k), text in self.failures.items()]
        meta["cv"] = [[family, k, *values] for (family, k), values in self.cv.items()]
        for i, ((family, k), fit) in enumerate(self.fits.items()):
            meta["fits"].append([family, k, fit.to_meta()])
            arrays |= {f"{i}/{name}": array for name, array in fit.to_arrays().items()}
        write_arrays(path, _FORMAT, meta, arrays)

    @classmethod
    def load(cls, path: str | Path) -> Selection:
        """Read a grid written by `save`.

        Parameters
        ----------
        path : str or Path
            The file.

        Returns
        -------
        Selection

        Raises
        ------
        OSError
            The file cannot be opened.
        ValueError
            The file is not a saved grid, or is damaged.
        """
        with unsealed(path, "grid") as file:
            meta, arrays = read_arrays(file, _FORMAT)
            parts: list[dict[str, Any]] = [{} for _ in meta["fits"]]
            for key, array in arrays.items():
                i, name = key.split("/")
                parts[int(i)][name] = array
            fits = {
                _cell(family, k): Fit.from_parts(fit, part)
                for (family, k, fit), part in zip(meta["fits"], parts, strict=True)
            }
            for cell, fit in fits.items():
                if cell != (fit.model_name, fit.n_components):
                    raise ValueError(f"cell {cell} holds a fit of {fit.family.name}")
            failures = {_cell(family, k): str(text) for family, k, text in meta["failures"]}
            cv = {
                _cell(family, k): (number(mean, "cv"), number(se, "cv"))
                for family, k, mean, se in meta["cv"]
            }
            interrupted, alone = meta["interrupted"] is True, meta.get("noise_alone")
            noise = None if alone is None else NoiseAlone(**alone)
            return cls(fits, failures, criterion_of(meta["criterion"]).name, cv, interrupted, noise)

    def __repr__(self) -> str:
        sound, failed = len(self.sound), len(self.failures)
        text = f"Selection of {sound + failed} models"
        if failed:
            text += f", {failed} without an estimate (see .table.note)"
        if self.interrupted:
            text += ", INTERRUPTED (pass it as `resume` to go on)"
        if not sound:
            return text
        ranked_by, best = criterion_of(self.criterion), next(iter(self.ranked.values()))
        if self.noise_alone is not None and self.noise_alone.row["bic"] < best.bic:
            text += ", none with a BIC below that of noise alone"
        chosen = f"{best.model_name}, K = {best.n_components}"
        text += f"; best by {ranked_by.label}: {chosen if self._has_values(ranked_by) else 'none'}"
        shown = ["family", "K", "n_parameters", "loglik", "bic", "delta_bic", "icl"]
        if self.cv:
            shown += ["cv_loglik", "cv_se"]
        table = self.table[shown].head(5)
        return f"{text}\n" + table.to_string(index=False, float_format=lambda v: f"{v:.3f}")

    def _repr_html_(self) -> str:
        table = self.table.drop(columns="note").head(10)
        html = table.to_html(index=False, border=0, float_format=lambda v: f"{v:.3f}", na_rep="")
        return f"<p><b>{repr(self).splitlines()[0]}</b></p>{html}"


def _worst_last(value: float) -> float:
    """A sorting key of which lower is better; one that is missing is worst."""
    return np.inf if np.isnan(value) else value


def _cell(family: Any, k: Any) -> CellName:
    """A cell's name, from a file."""
    if family not in _NAMES:
        raise ValueError(f"unknown family {family!r}")
    return str(family), check_integer("K", k, 1)


_FAMILIES = (*FAMILIES, "E", "V")
_NAMES = [*_FAMILIES, *(f"{name}{SUFFIX}" for name in _FAMILIES)]
_NO_SCORE: Score = (np.nan, np.nan)
# Relative differences of criteria that are rounding.
_ROUNDING = 1e-9
_COLUMNS = [
    "family", "K", "n_parameters", "loglik", "aic", "bic", "icl", "delta_bic", "n_iter",
    "starts_agreeing", "status", "note",
]  # fmt: skip
