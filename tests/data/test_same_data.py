"""One notion of the same data, by which every function checks the rows of a result."""

import time
import warnings

import numpy as np
import pandas as pd
import pytest

import bayesgmm
from bayesgmm import Prior
from bayesgmm.data.data import as_data
from bayesgmm.data.same_data import difference
from tests.synthetic import make_posterior

N, D = 120, 3


@pytest.fixture(scope="module")
def table():
    """Rows of two groups, whose columns differ."""
    rng = np.random.default_rng(1)
    x = np.vstack([rng.normal(0, 1, (70, D)), rng.normal(6, 2, (50, D))])
    return pd.DataFrame(x * [1, 10, 100] + [0, 5, 1000], columns=list("abc"))


def told(a, b, **options):
    return difference(a.fingerprint, b.fingerprint, "one", "other", **options)


@pytest.mark.parametrize("seed", range(5))
def test_changes_are_told(seed):
    """Against what was changed: one value, rows, columns, weights; and what says nothing is not."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(5, 80_000)), int(rng.integers(1, 5))
    x = (rng.normal(size=(n, d)) + 3 * rng.normal(size=d)) * 10.0 ** rng.integers(-8, 8, d)
    w = rng.exponential(size=n)
    data, weighted = as_data(x), as_data(x, sample_weight=w)
    single = x.astype(np.float32).astype(np.float64)
    assert not told(data, as_data(np.asfortranarray(x)))
    assert not told(as_data(single), as_data(x.astype(np.float32)))
    assert not told(data, as_data(pd.DataFrame(x, columns=list("pqrs")[:d])))
    i, j = rng.choice(n, 2, replace=False)
    swapped, one = np.arange(n), x.copy()
    swapped[[i, j]] = j, i
    one[i, 0] += 0.5 * x[:, 0].std()
    assert "another order" in told(data, as_data(x[swapped]))
    assert not told(data, as_data(x[swapped]), ordered=False)
    assert told(data, as_data(one), ordered=False)
    assert "rows" in told(data, as_data(x[: n // 2 + 2]))
    assert "weights" in told(data, weighted)
    assert "weights" in told(weighted, as_data(x, sample_weight=2 * w))
    assert told(weighted, as_data(x, sample_weight=w[swapped]))
    if d > 1:
        assert told(data, as_data(x[:, ::-1]), ordered=False)
        mixed = x.copy()
        mixed[:, 0] = rng.permutation(x[:, 0])
        assert "other rows" in told(data, as_data(mixed), ordered=False)


def others(table):
    """Tables that are not the same, by what was done to them."""
    array = table.to_numpy()
    rng = np.random.default_rng(0)
    yield "half", table.iloc[: N // 2]
    yield "other values", table + 1
    yield "sorted", table.sort_values("b")
    yield "one column shuffled", table.assign(b=rng.permutation(table["b"]))
    yield "swapped columns", array[:, [1, 0, 2]]
    yield "weights", as_data(table, sample_weight=np.arange(1.0, N + 1))


TAKES_ROWS = {
    "refine": lambda x, fit: bayesgmm.refine(x, fit, draws=10, tune=10, progressbar=False),
    "build_model": bayesgmm.build_model,
    "standard_errors": lambda x, fit: bayesgmm.standard_errors(x, fit, "information"),
    "merge": lambda x, fit: bayesgmm.merge(x, fit),
}


@pytest.mark.parametrize("name", TAKES_ROWS)
def test_other_rows_are_refused(table, name):
    """By every function that takes a fit with its rows; the message says what differs."""
    fit = bayesgmm.fit(table, 2, random_seed=0)
    for what, other in others(table):
        with pytest.raises(bayesgmm.DataError, match="not the same data: .*; pass the rows"):
            TAKES_ROWS[name](other, fit)
            pytest.fail(f"{name} took {what}")


def test_weights_are_not_forgotten(table):
    """Counted rows are merged as repeated ones; without their counts they are refused."""
    count = np.random.default_rng(2).integers(1, 4, N)
    fit = bayesgmm.fit(table, 2, sample_weight=count, random_seed=0)
    for name in ("merge", "standard_errors"):
        with pytest.raises(bayesgmm.DataError, match="weights that sum to .*, this no weights"):
            TAKES_ROWS[name](table, fit)
    repeated = table.loc[table.index.repeat(count)]
    expected = bayesgmm.merge(repeated, fit.mixture)
    found = bayesgmm.merge(table, fit, sample_weight=count)
    assert found.n == expected.n == count.sum()
    np.testing.assert_allclose(found.entropies, expected.entropies, rtol=1e-9, atol=1e-9)
    weighted = bayesgmm.standard_errors(table, fit, "information", sample_weight=count)
    again = bayesgmm.fit(repeated, 2, start=fit, random_seed=0)
    np.testing.assert_allclose(
        weighted.means, bayesgmm.standard_errors(repeated, again, "information").means, rtol=1e-3
    )  # both ends of EM are within tol of the maximum


def test_the_documented_ways_to_use_other_rows(table):
    """`merge` takes the mixture; a fit of new rows at the same parameters is one call."""
    fit = bayesgmm.fit(table, 2, random_seed=0)
    half = table.iloc[::2]
    assert bayesgmm.merge(half, fit.mixture).n == N / 2
    moved = bayesgmm.fit(half, 2, fit.family, start=fit, max_iter=0)
    np.testing.assert_allclose(moved.means, fit.means, rtol=1e-12)
    bayesgmm.build_model(half, moved)


def test_select_resumes_the_same_data_only(table):
    grid = bayesgmm.select(table, [2], ["EEE"], random_seed=0, progressbar=False)
    for what, other in [*others(table), ("fewer columns", table[["a", "b"]])]:
        with pytest.raises(bayesgmm.DataError, match="not the same data: .* select without resume"):
            bayesgmm.select(other, [2], ["EEE"], resume=grid, progressbar=False)
            pytest.fail(f"select took {what}")
    with pytest.raises(TypeError, match="resume is a str: pass a Selection"):
        bayesgmm.select(table, [2], ["EEE"], resume="grid.npz", progressbar=False)
    again = bayesgmm.select(table, [2], ["EEE"], resume=grid, progressbar=False)
    assert again.best.loglik >= grid.best.loglik - 1e-9


def test_compare_pairs_rows(table):
    """Posteriors of the same rows in another order are refused; fits of them compare."""
    shuffled = table.assign(b=table["b"].sample(frac=1, random_state=0).to_numpy())
    tables = {"one": table, "sorted": table.sort_values("b"), "shuffled": shuffled}
    fits = {name: bayesgmm.fit(x, 1, random_seed=0) for name, x in tables.items()}
    assert len(bayesgmm.compare({name: fits[name] for name in ("one", "sorted")})) == 2
    with pytest.raises(bayesgmm.DataError, match="belong to other rows"):
        bayesgmm.compare({name: fits[name] for name in ("one", "shuffled")})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        draws = {
            name: bayesgmm.refine(
                tables[name], fit, draws=50, tune=50, random_seed=0, progressbar=False
            )
            for name, fit in fits.items()
        }
        for call in (bayesgmm.compare, bayesgmm.model_probabilities):
            with pytest.raises(bayesgmm.DataError, match="the rows in another order"):
                call({name: draws[name] for name in ("one", "sorted")})
            with pytest.raises(bayesgmm.DataError, match="belong to other rows"):
                call({name: draws[name] for name in ("one", "shuffled")})


def test_a_prior_knows_its_columns(table):
    """A reordered table's prior is refused, in EM and for the posterior; its own is taken."""
    other = table[["c", "a", "b"]]
    fit = bayesgmm.fit(table, 2, random_seed=0)
    prior = Prior.from_data(other)
    assert Prior(**prior.to_dict()).names == ("c", "a", "b")
    for call in (
        lambda: bayesgmm.fit(table, 2, prior=prior),
        lambda: bayesgmm.build_model(other, fit, prior),
        lambda: bayesgmm.select(table, [1], ["EEE"], prior=prior, progressbar=False),
    ):
        with pytest.raises(ValueError, match="prior is for the columns c, a, b, the data have a"):
            call()
    right = Prior.from_data(other, columns=["a", "b", "c"])
    np.testing.assert_array_equal(right.mean, Prior.from_data(table).mean)
    bayesgmm.build_model(other, fit, right)
    bayesgmm.fit(table, 2, prior=Prior.from_data(other.to_numpy()), random_seed=0)  # has no names


def test_made_up_names_are_no_names(table):
    """A fit of an array does not look its x0, x1 up in a table."""
    array = table.to_numpy()
    fit = bayesgmm.fit(array, 2, random_seed=0)
    renamed = pd.DataFrame(array, columns=["x2", "x1", "x0"])
    with pytest.raises(bayesgmm.DataError, match="made up: pass an array"):
        fit.predict(renamed)
    wide = pd.DataFrame(np.c_[array, array[:, 0]], columns=["x0", "x1", "x2", "more"])
    with pytest.raises(bayesgmm.DataError, match="4 columns"):
        fit.predict(wide)
    own = bayesgmm.fit(renamed, 2, random_seed=0)
    np.testing.assert_array_equal(own.predict(renamed[["x0", "x1", "x2"]]), own.predict(renamed))


def test_a_start_is_taken_by_its_names(table):
    """A fit of a reordered table starts EM where it says."""
    fit = bayesgmm.fit(table, 2, random_seed=0)
    other = table[["c", "a", "b"]]
    moved = bayesgmm.fit(other, 2, start=fit, max_iter=0)
    np.testing.assert_allclose(moved.means, fit.means[:, [2, 0, 1]], rtol=1e-12)
    with pytest.raises(ValueError, match="start has columns a, b, c"):
        bayesgmm.fit(table.rename(columns={"a": "z"}), 2, start=fit)


def test_files_keep_the_fingerprint(table, tmp_path):
    fit = bayesgmm.fit(table, 2, random_seed=0)
    fit.save(tmp_path / "fit.npz")
    back = bayesgmm.Fit.load(tmp_path / "fit.npz")
    assert not difference(fit.fingerprint, back.fingerprint, "", "")
    assert bayesgmm.merge(table, back).n == N
    with pytest.raises(bayesgmm.DataError, match="another order"):
        bayesgmm.merge(table[::-1], back)


def test_the_fingerprint_costs_one_pass():
    """A million rows of five columns in less than the time of ten iterations of EM over them."""
    x = np.random.default_rng(0).normal(size=(10**6, 5))
    data = as_data(x)
    start = time.process_time()
    _ = data.fingerprint
    assert time.process_time() - start < 1.0  # 0.1 s on an idle core


def test_made_up_names_of_a_posterior_are_no_names(table):
    """Nor are those of its marginals and conditionals: a table's own columns are not looked up."""
    x = table.to_numpy()
    posterior = make_posterior(x, bayesgmm.fit(x, 2, start="hc"))
    frame = table.set_axis([f"x{j}" for j in range(x.shape[1])][::-1], axis=1)
    for part in (posterior.marginal([0, 1]), posterior.marginal([1, 0]).marginal([1, 0])):
        with pytest.raises(bayesgmm.DataError, match="made up: pass an array"):
            part.density(frame[["x1", "x0"]])
        given = part.density(x[:5, :2])
        named = bayesgmm.fit(table, 2, start="hc")
        same = make_posterior(table, named).marginal([0, 1]).density(table.iloc[:5, :2])
        np.testing.assert_allclose(given["mean"].to_numpy(), same["mean"].to_numpy(), rtol=1e-9)
    [first, *_] = posterior.mixture_draws.mixtures()
    assert not first.named
