"""Components merged into clusters by entropy: several Gaussians may be one group of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import entr

from ..data.data import Data
from ..data.lazy import lazy_on_dask
from ..data.same_data import refuse_other_data
from ..kernels.e_step.e_step import evaluate
from ..utils.display import html_rows
from ..utils.plotting import PlotAccessor
from ..utils.types import FloatArray, IntArray
from ..utils.validation import check_integer
from .mixture import Mixture
from .noise import mixed
from .of_parameters import responsibility_blocks
from .of_results import HasMixture, estimate_of, mixture_of

if TYPE_CHECKING:
    import pandas as pd

Cluster = tuple[int, ...]
_Pair = tuple[Cluster, Cluster]
#: An entropy below this share of its maximum is that of components one can tell apart.
LITTLE_OVERLAP = 0.01
_FORMATS = dict.fromkeys(("entropy", "drop", "drop_per_row"), "{:.4g}".format) | {
    "rows": "{:.10g}".format
}


@dataclass(frozen=True)
class Elbow:
    """Two straight lines fitted to the entropies, and where they meet.

    Attributes
    ----------
    n_clusters : int
        The number of clusters at the bend.
    against : str
        What the entropies were regressed on: "rows" or "clusters".
    x, y : tuple of K float
        The points, for 1, 2, ..., K clusters.
    lines : tuple of 2 (intercept, slope)
        Left of the bend, through 1 to n_clusters; and right of it, through n_clusters to K.
    """

    n_clusters: int
    against: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    lines: tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Merging:
    """A hierarchy of clusters, from the K components one by one down to a single cluster.

    Attributes
    ----------
    mixture : Mixture
        The components.
    n : float
        Number of rows; the sum of their weights if they have any.
    merges : tuple of K - 1 (cluster, cluster)
        What was merged, first merge first; a cluster is the tuple of its components.
    entropies : tuple of K float
        -sum_ij t_ij log t_ij of the clusters' responsibilities t_ij, for K, K - 1, ..., 1 clusters.
    rows : tuple of K - 1 float
        Rows that were assigned to one of the two clusters before each merge.
    """

    mixture: Mixture
    n: float
    merges: tuple[tuple[Cluster, Cluster], ...]
    entropies: tuple[float, ...]
    rows: tuple[float, ...]
    plot = PlotAccessor()

    @property
    def n_components(self) -> int:
        """Number of components K."""
        return self.mixture.n_components

    def clusters(self, n_clusters: int | None = None) -> tuple[Cluster, ...]:
        """The components of each cluster, clusters in the order of their first component.

        Parameters
        ----------
        n_clusters : int, optional
            From 1 to K; what `suggest` says if left out.
        """
        c = self._check_n_clusters(n_clusters)
        parts: list[Cluster] = [(k,) for k in range(self.n_components)]
        for a, b in self.merges[: self.n_components - c]:
            parts = sorted([*(p for p in parts if p not in (a, b)), tuple(sorted(a + b))])
        return tuple(parts)

    @lazy_on_dask
    def predict_proba(self, X: Any, n_clusters: int | None = None) -> FloatArray:  # noqa: N803
        """Responsibilities of clusters, (n, n_clusters), of a row that is no noise; sums are 1."""
        member = self._membership(n_clusters)
        rows = self.mixture.rows(X)
        proba = np.empty((rows.n, member.shape[1]))
        for block, resp in responsibility_blocks(rows, self.mixture.parameters_about(rows.center)):
            proba[block] = resp @ member
        return proba

    @lazy_on_dask
    def predict(self, X: Any, n_clusters: int | None = None) -> IntArray:  # noqa: N803
        """The most probable cluster of each row, (n,) of int, also of noise: a position."""
        member = self._membership(n_clusters)
        rows = self.mixture.rows(X)
        labels = np.empty(rows.n, dtype=np.intp)
        for block, resp in responsibility_blocks(rows, self.mixture.parameters_about(rows.center)):
            labels[block] = np.argmax(resp @ member, axis=1)
        return labels

    def suggest(self, against: str = "rows") -> int:
        """The number of clusters at the elbow of the entropies.

        Parameters
        ----------
        against : {"rows", "clusters"}
            "rows": the cumulative number of rows merged, as in the paper, so that a merge of few
            rows need not lower the entropy by much; "clusters": the number of clusters, as
            mclust's clustCombiOptim has it.

        Returns
        -------
        int
            From 2 to K - 1: a bend needs a point on either side. With three components 2 is the
            only such place, and with fewer there is none: then the answer, 2 or K, says nothing.
        """
        return (
            min(self.n_components, 2) if self.n_components < 3 else self.elbow(against).n_clusters
        )

    def elbow(self, against: str = "rows") -> Elbow:
        """The two-part regression behind `suggest`.

        Two least-squares lines, which share the point of the bend; the bend is where their sum of
        squares is least.

        Raises
        ------
        ValueError
            Fewer than 3 components, or an unknown `against`.
        """
        if against not in AGAINST:
            raise ValueError(f"against is {against!r}: pass {' or '.join(map(repr, AGAINST))}.")
        k = self.n_components
        if k < 3:
            raise ValueError(f"an elbow needs at least 3 components, the mixture has {k}.")
        y = np.array(self.entropies[::-1])
        x = AGAINST[against].points(self)
        fits = {c: (_line(x[:c], y[:c]), _line(x[c - 1 :], y[c - 1 :])) for c in range(2, k)}
        best = min(fits, key=lambda c: fits[c][0][2] + fits[c][1][2])
        left, right = fits[best]
        return Elbow(best, against, tuple(x.tolist()), tuple(y.tolist()), (left[:2], right[:2]))

    @property
    def table(self) -> pd.DataFrame:
        """One row per number of clusters, K first.

        Columns: clusters; merged, the merge that led there; entropy; rows, those assigned to one
        of the two before; drop, by which the merge lowered the entropy; drop_per_row, drop / rows.
        """
        import pandas as pd

        rows = np.array([np.nan, *self.rows])
        drop = np.array([np.nan, *-np.diff(self.entropies)])
        with np.errstate(invalid="ignore", divide="ignore"):
            per_row = np.where(rows > 0, drop / rows, np.where(rows == 0, 0.0, np.nan))
        return pd.DataFrame({
            "clusters": range(self.n_components, 0, -1),
            "merged": ["", *(f"{self._text(a)} + {self._text(b)}" for a, b in self.merges)],
            "entropy": self.entropies,
            "rows": rows,
            "drop": drop,
            "drop_per_row": per_row,
        })  # fmt: skip

    def _check_n_clusters(self, n_clusters: int | None) -> int:
        c = self.suggest() if n_clusters is None else n_clusters
        return check_integer("n_clusters", c, 1, self.n_components, ", the number of components")

    def _membership(self, n_clusters: int | None) -> FloatArray:
        clusters = self.clusters(n_clusters)
        member = np.zeros((self.n_components, len(clusters)))
        for j, cluster in enumerate(clusters):
            member[list(cluster), j] = 1.0
        return member

    @property
    def overlap(self) -> float:
        """The entropy of the components as a share of its maximum, n log K; 0 for one."""
        k = self.n_components
        return self.entropies[0] / (self.n * float(np.log(k))) if k > 1 else 0.0

    def _lines(self) -> list[tuple[str, str]]:
        k, c = self.n_components, self.suggest()
        overlap = f"{self.overlap:.2%} of its maximum, n log K"
        if self.overlap < LITTLE_OVERLAP:
            overlap += ": they hardly overlap, there is little to merge"
        found = f"{c} cluster{'s' if c > 1 else ''}: {', '.join(map(self._text, self.clusters()))}"
        if k < 3:
            found += " (no elbow: that needs at least 3 components)"
        elif k == 3:
            found += " (3 components leave no other place for it: judge by the entropies)"
        return [
            ("entropy of the components", overlap),
            ("elbow of the entropies", found),
            ("clusters of rows", f".predict(X, {c}); plotted: .plot.merging()"),
        ]

    def _text(self, cluster: Cluster) -> str:
        return "{" + ", ".join(str(self.mixture.components[k]) for k in cluster) + "}"

    def __repr__(self) -> str:
        lines = [f"Merging of {self.n_components} components by entropy ({self.n:.10g} rows)"]
        lines += [f"  {name}: {text}" for name, text in self._lines()]
        table = self.table.to_string(index=False, na_rep="", formatters=_FORMATS)
        return "\n".join(lines) + "\n" + table

    def _repr_html_(self) -> str:
        lines = html_rows(self._lines())
        table = self.table.to_html(index=False, border=0, na_rep="", formatters=_FORMATS)
        title = f"Merging of {self.n_components} components by entropy</b> ({self.n:.10g} rows)"
        return f"<p><b>{title}</p><table>{lines}</table>{table}"


@dataclass(frozen=True, slots=True)
class Against:
    """What entropies are regressed on and plotted against: an axis label and the points (K,)."""

    label: str
    points: Callable[[Merging], FloatArray]


def _clusters(merging: Merging) -> FloatArray:
    return np.arange(1.0, merging.n_components + 1)


def _merged_rows(merging: Merging) -> FloatArray:
    return np.concatenate([[0.0], np.cumsum(merging.rows[::-1])])


#: By the name that `Merging.suggest` takes.
AGAINST = {
    "rows": Against("cumulative number of merged rows, from 1 cluster up", _merged_rows),
    "clusters": Against("number of clusters", _clusters),
}


def merge(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    fit: HasMixture | Mixture,
    *,
    sample_weight: Any = None,
) -> Merging:
    """Merge components one pair after another, always the pair whose merge lowers entropy most.

    A group of rows that is not Gaussian may need several components. They overlap, and merging
    them lowers the entropy -sum_ij t_ij log t_ij of the clusters' responsibilities, where a
    cluster's is the sum over its components. The density stays as it was. Noise stays apart: rows
    count without what is noise in them. Labels are in the responsibilities.

    Parameters
    ----------
    X : array-like (n, d)
        The rows fitted. Other rows are merged under the density alone: pass `fit.mixture`.
    fit : Fit or Mixture
        K components. Also a fitted `GaussianMixture`, or a `Selection`, of which its best fit.
    sample_weight : array-like (n,) or str, optional
        What each row counts for, as it was fitted.

    Returns
    -------
    Merging
        `.table`, `.suggest()`, `.clusters(n)`, `.predict(X, n)`, `.predict_proba(X, n)`.

    Raises
    ------
    DataError
        Rows that do not fit the mixture's columns, or, of a Fit, other rows or weights than its
        own.
    TypeError
        `fit` is neither a Fit nor a Mixture.

    See Also
    --------
    classify : Components of rows, with their uncertainty.
    select : All covariance structures with every number of components.

    Notes
    -----
    Reads the rows K times and holds one block of responsibilities, so memory does not grow with n.

    References
    ----------
    Baudry, Raftery, Celeux, Lo & Gottardo (2010), J. Comput. Graph. Stat. 19, 332-353.

    Examples
    --------
    >>> import bayesgmm
    >>> from bayesgmm.mixture.merging import merge
    >>> X = bayesgmm.datasets.load_faithful()
    >>> merging = merge(X, bayesgmm.fit(X, 3, "EEE", random_seed=1))
    >>> merging.table.entropy.round(1).tolist()
    [42.7, 0.5, 0.0]
    >>> sorted(len(cluster) for cluster in merging.clusters(2))
    [1, 2]
    """
    fit = estimate_of(fit)
    mixture = mixture_of(fit, beside_noise=True)
    rows = mixture.rows(X, sample_weight)
    if (kept := getattr(fit, "fingerprint", None)) is not None:
        cure = "pass the rows fitted (and sample_weight), or fit.mixture for others."
        refuse_other_data(kept, rows.fingerprint, cure)
    rows = seen_by_components(fit, rows)
    parts: list[Cluster] = [(k,) for k in range(mixture.n_components)]
    pairs = list(combinations(parts, 2))
    drops: dict[_Pair, float] = {}
    merges: list[_Pair] = []
    lowered: list[float] = []
    counts: list[float] = []
    while len(parts) > 1:
        sizes, new = _sums(mixture, rows, parts, pairs)
        drops |= new
        a, b = max(drops, key=lambda pair: drops[pair])
        merges.append((a, b))
        lowered.append(drops[a, b])
        counts.append(sizes[a] + sizes[b])
        drops = {pair: drop for pair, drop in drops.items() if not {a, b} & set(pair)}
        union, parts = tuple(sorted(a + b)), [p for p in parts if p not in (a, b)]
        pairs = [(min(p, union), max(p, union)) for p in parts]
        parts.append(union)
    # One cluster is certain; so what is left at any stage is what the later merges take away.
    entropies = np.concatenate([np.cumsum(lowered[::-1])[::-1], [0.0]])
    return Merging(mixture, rows.total, tuple(merges), tuple(entropies.tolist()), tuple(counts))


def seen_by_components(fit: Any, rows: Data) -> Data:
    """The rows with what is known of their components, and weights without what is noise in them.

    By how much a merge lowers the entropy is proportional to what components share of a row.
    """
    if hasattr(fit, "labels"):
        rows = fit.labels.seen_in(rows)
    if not hasattr(fit, "noise_share"):
        return rows
    density = evaluate(rows, fit.mixture.parameters_about(rows.center))[0]
    is_noise = mixed(density, fit.noise.of_rows(rows), fit.noise_share)[1]
    weights = np.ones(rows.n) if rows.weights is None else rows.weights
    return replace(rows, weights=weights * (1 - is_noise))


def _sums(
    mixture: Mixture, rows: Data, parts: list[Cluster], pairs: list[_Pair]
) -> tuple[dict[Cluster, float], dict[_Pair, float]]:
    """Rows assigned to each cluster, and by how much merging each pair would lower the entropy."""
    sizes, drops = np.zeros(len(parts)), np.zeros(len(pairs))
    where = {part: i for i, part in enumerate(parts)}
    counted = rows.counted
    for block, resp in responsibility_blocks(rows, mixture.parameters_about(rows.center)):
        weights = None if counted is None else counted[block]
        t = np.array([resp[:, list(part)].sum(axis=1) for part in parts])
        sizes += np.bincount(np.argmax(t, axis=0), weights, len(parts))
        for i, (a, b) in enumerate(pairs):
            drop = _drop(t[where[a]], t[where[b]])
            drops[i] += drop.sum() if weights is None else weights @ drop
    return dict(zip(parts, sizes.tolist(), strict=True)), dict(
        zip(pairs, drops.tolist(), strict=True)
    )


def _drop(a: FloatArray, b: FloatArray) -> FloatArray:
    """h(a) + h(b) - h(a + b), h(t) = -t log t, row by row, never below 0.

    The difference would cancel where one is small; with r the smaller over the larger, m, it is
    m ((1 + r) log(1 + r) - r log r).
    """
    large = np.maximum(a, b)
    r = np.divide(np.minimum(a, b), large, out=np.zeros_like(large), where=large > 0)
    return large * ((1 + r) * np.log1p(r) + entr(r))


def _line(x: FloatArray, y: FloatArray) -> tuple[float, float, float]:
    """Intercept, slope and residual sum of squares of the least-squares line."""
    dx, dy = x - x.mean(), y - y.mean()
    slope = float(dx @ dy / (dx @ dx)) if dx.any() else 0.0  # a merge of empty clusters: same x
    intercept = float(y.mean() - slope * x.mean())
    return intercept, slope, float(np.sum((dy - slope * dx) ** 2))
