"""How many components: the bootstrap likelihood-ratio test of K against K + 1.

The statistic has no chi-squared distribution under K components (the other parameters of K + 1
are not identified there), so it is simulated: McLachlan (1987), JRSS C 36, 318-324. How high a
maximum of the K + 1 likelihood is found depends on how hard one looks. So the data and every
replicate go through one procedure, `_fit_pair`, with the same starts.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..data.by_name import by_name
from ..data.data import Data, as_data
from ..em.checkpoint import kept_answers
from ..em.checks import check_options
from ..em.fit import fit
from ..em.labels import known_classes, numbered
from ..em.result import Fit
from ..em.simulation import simulated
from ..em.starts.starts import check_name, generators
from ..families import Family, FamilyName, get_family
from ..mixture.mixture import Mixture
from ..mixture.splitting import halves, longest_axis
from ..utils.errors import (
    DataError,
    DegenerateComponentError,
    DegenerateFitWarning,
    InterruptionAdvice,
)
from ..utils.progress import until_interrupted
from ..utils.validation import MOST_STEPS, Seed, check_integer, check_probability, check_seed
from ..utils.warnings import warn
from .bootstrap_result import BootstrapLRT, LikelihoodRatioTest, count_of
from .kept_replicates import KeptReplicates, Replicate

# The halves of a split component lie so many standard deviations to either side of it.
_SPLIT = 0.5


def bootstrap_lrt(
    X: Any,  # noqa: N803 - scikit-learn's name for the data
    covariance_type: FamilyName | str | Family = "VVV",
    *,
    max_components: int | None = None,
    n_components: int | None = None,
    n_boot: int = 999,
    level: float = 0.05,
    all_tests: bool = False,
    start: str = "auto",
    n_init: int | None = None,
    max_iter: int = 1000,
    tol: float = 1e-6,
    random_seed: Seed = None,
    columns: Sequence[str] | None = None,
    missing: str = "refuse",
    labels: Any = None,
    noise: Any = None,
    checkpoint: str | Path | None = None,
    progressbar: bool = True,
) -> BootstrapLRT:
    """Test K components against K + 1, for growing K until one is not rejected.

    Every replicate is a sample of the data's size from the fit of K components, fitted with K
    and K + 1 components by the procedure that fitted the data: `n_init` starts for each, and for
    K + 1 one more from each component of the K split in two. The p-value belongs to that search:
    programs that make fewer starts find lower maxima, and have other statistics and p-values.

    Parameters
    ----------
    X : array-like (n, d) or (n,)
        Data, as for `fit`.
    covariance_type : str
        Covariance family, the same under both hypotheses.
    max_components : int, optional
        Most components of an alternative hypothesis; 9 if left out.
    n_components : int, optional
        Make one test only, of this K against K + 1.
    n_boot : int
        Replicates of each test. The least p-value is 1 / (1 + n_boot).
    level : float
        Tests are made until a p-value exceeds it.
    all_tests : bool
        Go on to `max_components` in any case.
    start, n_init, max_iter, columns, missing
        As for `fit`, for the data and every replicate.
    labels : array-like (n,) or str, optional
        Known classes, as for `fit`. The first K is at least their number: what is tested is whether
        there are more. Rows of replicates have a class where the data's have one.
    noise : True, optional
        A uniform component under both hypotheses, as for `fit`, over the volume of each data set.
    tol : float
        As for `fit`: the statistic is too small by at most 2 n tol, or about that.
    random_seed : int, Generator, SeedSequence or None
        Seed. A test's replicates do not depend on which other tests are made.
    checkpoint : str or Path, optional
        A file that keeps every replicate. The same call reads what is there, in another process
        too, and so does one with other n_boot, level or numbers of components. Needs a whole number
        as random_seed.
    progressbar : bool
        Show progress on standard error.

    Returns
    -------
    BootstrapLRT
        `.table`, `.n_components`, `.conclusion`, `.tests` with the replicates' statistics. Ctrl-C:
        the tests made so far (`.interrupted`), the last with the replicates that it has, if these
        are enough for a p-value at the level (19 for 0.05).

    Raises
    ------
    DataError, ValueError
        As `fit`; no sound fit of the first K or K + 1 components; a checkpoint that is damaged, or
        of another call, other data or another version.
    KeyboardInterrupt
        Interrupted before the first test had enough replicates.

    Warns
    -----
    InterruptionAdvice
        Interrupted; the message says what there is.

    See Also
    --------
    select : All covariance structures with every number of components.
    sample_components : The posterior of the number of components.

    References
    ----------
    McLachlan (1987), JRSS C 36, 318-324; McLachlan & Peel (2000), section 6.4.

    Examples
    --------
    >>> import bayesgmm
    >>> from bayesgmm.selection.bootstrap_lrt import bootstrap_lrt
    >>> X = bayesgmm.datasets.load_faithful()
    >>> test = bootstrap_lrt(X, "EEE", n_components=1, n_boot=19, random_seed=1, progressbar=False)
    >>> round(test.tests[0].statistic, 2), test.tests[0].p_value
    (299.22, 0.05)
    >>> print(test.conclusion)
    1 component rejected in favour of 2 (p = 0.05), at level 0.05.
    """
    options = check_options(n_init, max_iter, tol)
    n_boot = check_integer("n_boot", n_boot, 1, MOST_STEPS)
    level = check_probability("level", level)
    if not isinstance(start, str):
        raise ValueError("bootstrap_lrt() starts all replicates alike: pass the name of a start.")
    check_name(start)
    random_seed = check_seed(random_seed)
    columns, _, labels = by_name(X, columns, None, labels)
    data = as_data(X, columns, missing=missing)
    if noise not in (None, True):
        raise ValueError(
            f"noise is {noise!r}: replicates need noise that can be drawn, over the data's volume; "
            "pass noise=True, or leave it out."
        )
    n_classes = 1 if labels is None else len(numbered(labels)[0])
    ks = _null_hypotheses(n_components, max_components, data.n, n_classes)
    family = get_family(covariance_type, data.d)
    search = _Search(family, start, options.n_init, options.max_iter, options.tol, noise)
    asked = {
        "family": family.name, "start": start, "n_init": options.n_init,
        "max_iter": options.max_iter, "tol": options.tol, "labels": labels, "noise": noise,
    }  # fmt: skip
    with kept_answers(checkpoint, data, "bootstrap_lrt", asked, random_seed) as kept:
        tests, stopped, interrupted = _tests(
            data,
            labels,
            ks,
            search,
            random_seed,
            n_boot,
            level,
            all_tests,
            KeptReplicates(kept),
            progressbar,
        )
    if interrupted:
        warn(stopped, InterruptionAdvice)
    return BootstrapLRT(search.family, level, tuple(tests), stopped, interrupted)


def _tests(
    data: Data, labels: Any, ks: range, search: _Search, random_seed: Seed, n_boot: int,
    level: float, all_tests: bool, kept: KeptReplicates, progressbar: bool,
) -> tuple[list[LikelihoodRatioTest], str, bool]:  # fmt: skip
    """The tests in turn, why they stopped before the end, and whether by Ctrl-C."""
    streams = generators(random_seed, ks[-1])
    tests: list[LikelihoodRatioTest] = []
    stopped, interrupted = "", False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateFitWarning)  # counted
        for k in ks:
            of_data, *of_replicates = streams[k - 1].spawn(n_boot + 1)
            try:
                pair = _fit_pair(data, k, search, of_data, labels)
                test, interrupted = _test(
                    pair, data, search, of_replicates, level, kept, progressbar
                )
            except (DataError, DegenerateComponentError) as error:
                if not tests:
                    raise
                stopped = f"Stopped before {k} against {k + 1}: {error}"
                break
            except KeyboardInterrupt:
                if not tests:
                    raise
                interrupted, stopped = True, f"Interrupted in {k} against {k + 1}: it is left out."
                break
            tests.append(test)
            if interrupted:
                made = f"{len(test.replicates) + test.failed} of {n_boot} replicates"
                stopped = f"Interrupted in {k} against {k + 1}, after {made}."
                break
            if tests[-1].p_value > level and not all_tests:
                break
    return tests, stopped, interrupted


def _null_hypotheses(
    n_components: int | None, max_components: int | None, n: int, fewest: int = 1
) -> range:
    """The K to test, none of which is below the number of known classes."""
    if n_components is not None and max_components is not None:
        raise ValueError(
            f"n_components = {n_components} asks for one test and max_components = "
            f"{max_components} for a sequence: pass one of them."
        )
    if n_components is not None:
        k = check_integer("n_components", n_components, fewest, n, f", the number of rows ({n})")
        return range(k, k + 1)
    if max_components is None:
        return range(fewest, max(9, fewest + 1))
    most = max(n, fewest + 1)
    reason = f", the number of rows ({n})"
    last = check_integer("max_components", max_components, fewest + 1, most, reason)
    return range(fewest, last)


@dataclass(frozen=True, slots=True)
class _Search:
    """The family and the options of EM, the same for the data and every replicate."""

    family: Family
    start: str
    n_init: int | None
    max_iter: int
    tol: float
    noise: Any

    def fit(
        self, data: Any, k: int, start: Any, rng: np.random.Generator, labels: Any = None
    ) -> Fit | None:
        """The fit from that start; None if it is not an estimate."""
        try:
            found = fit(
                data, k, self.family, start=start, n_init=self.n_init, max_iter=self.max_iter,
                tol=self.tol, random_seed=rng, noise=self.noise, labels=labels,
            )  # fmt: skip
        except DegenerateComponentError:
            return None
        return found if found.status.sound else None


@dataclass(frozen=True, slots=True)
class _Pair:
    """Fits of K and K + 1 components to the same rows.

    rescued and unimproved as in `LikelihoodRatioTest`.
    """

    null: Fit
    alternative: Fit
    rescued: bool
    unimproved: bool

    @property
    def statistic(self) -> float:
        """Twice the gain in log-likelihood, at least 0."""
        return 2 * max(self.alternative.loglik - self.null.loglik, 0.0)


def _fit_pair(
    data: Data, k: int, search: _Search, rng: np.random.Generator, labels: Any = None
) -> _Pair:
    """Fit K and K + 1 components, the latter from the named starts and from the K split.

    Raises
    ------
    DegenerateComponentError
        No sound fit of either.
    """
    null = search.fit(data, k, search.start, rng, labels)
    if null is None:
        raise DegenerateComponentError(0, _no_fit(search.family, k))
    named = search.fit(data, k + 1, search.start, rng, labels)
    split = [search.fit(data, k + 1, mixture, rng, labels) for mixture in _splits(null.mixture)]
    sound = [found for found in (named, *split) if found is not None]
    if not sound:
        raise DegenerateComponentError(0, _no_fit(search.family, k + 1))
    best = max(sound, key=lambda found: found.loglik)
    # A shortfall within EM's tolerance is not a missed maximum.
    enough = null.loglik - search.tol * data.total
    short = named is None or named.loglik < enough
    unimproved = best.loglik < enough
    return _Pair(null, best, short and named is not None and not unimproved, unimproved)


def _no_fit(family: Family, k: int) -> str:
    return (
        f"no sound fit of {count_of(k)} of family {family.name}: every start ended at or "
        "beside a singular covariance. Use fewer components, or a family with fewer parameters."
    )


def _splits(mixture: Mixture) -> list[Mixture]:
    """Mixtures with one more component: each component in turn split along its longest axis.

    The halves keep the component's mean and covariance, so that the density hardly changes.
    """
    out = []
    for j in range(mixture.n_components):
        variance, axis = longest_axis(mixture.covariances[j])
        shift = _SPLIT * np.sqrt(variance) * axis
        low, high, narrower = halves(mixture.means[j], mixture.covariances[j], shift)
        half = 0.5 * mixture.weights[j]
        out.append(
            Mixture(
                np.append(np.delete(mixture.weights, j), [half, half]),
                np.vstack([np.delete(mixture.means, j, axis=0), low, high]),
                np.concatenate([np.delete(mixture.covariances, j, axis=0), [narrower] * 2]),
                mixture.names,
                missing=mixture.missing,
            )
        )
    return out


def _test(
    pair: _Pair,
    data: Data,
    search: _Search,
    streams: Sequence[np.random.Generator],
    level: float,
    kept: KeptReplicates,
    progressbar: bool,
) -> tuple[LikelihoodRatioTest, bool]:
    """One test, its replicates sampled from the null hypothesis's fit, and whether Ctrl-C came.

    An interrupted test has the replicates made until then.

    Raises
    ------
    KeyboardInterrupt
        They are too few for a p-value at the level.
    """
    k = pair.null.n_components

    def made(rng: np.random.Generator) -> Replicate | None:
        try:
            rows, table = simulated(pair.null, data, rng)
            codes = None if table is None else known_classes(table)
            found = _fit_pair(rows, k, search, rng, codes)
        except (DataError, DegenerateComponentError):
            return None
        return Replicate(found.statistic, found.rescued, found.unimproved)

    def replicate(number: int) -> Replicate | None:
        return kept.replicate(k, number, lambda: made(streams[number]))

    # One after another: between the compiled parts there is too much Python for threads to help.
    description = f"{k} against {k + 1} components"
    found, interrupted = until_interrupted(replicate, range(len(streams)), description, progressbar)
    enough = math.ceil(1 / level - 1e-9) - 1
    if len(found) < min(len(streams), enough):
        raise KeyboardInterrupt(
            f"stopped after {len(found)} replicates of {description}: a test at level {level:g} "
            f"needs {enough}"
        )
    sound = [other for other in found if other is not None]
    test = LikelihoodRatioTest(
        null=pair.null,
        alternative=pair.alternative,
        statistic=pair.statistic,
        replicates=np.array([other.statistic for other in sound]),
        data_rescued=pair.rescued or pair.unimproved,
        failed=len(found) - len(sound),
        rescued=sum(other.rescued for other in sound),
        unimproved=sum(other.unimproved for other in sound),
    )
    return test, interrupted
