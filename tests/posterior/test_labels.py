"""Relabelling undoes permutations it was not told of; every method minimises what it says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import bayesgmm
from bayesgmm.mixture.draws import Draws
from bayesgmm.posterior.labels import allocation
from bayesgmm.posterior.labels import relabel as labels
from bayesgmm.posterior.labels.relabel import METHODS
from bayesgmm.posterior.posterior import Posterior
from tests.synthetic import make_posterior, posterior_of, scattered_draws, shuffled

ITERATIVE = ("ecr-iterative-1", "ecr-iterative-2", "stephens")
# Components in a row along the first column, so many sd apart.
SEPARATED = {2: (6.0,), 3: (6.0, 6.0), 5: (6.0, 5.0, 6.0, 7.0)}
UNEQUAL = {2: (3.0,), 3: (2.5, 8.0), 5: (2.5, 8.0, 3.0, 8.0)}


def in_a_row(gaps, d, family, seed, n=60):
    """Rows of groups in a row, and their fit in that order."""
    rng = np.random.default_rng(seed)
    means = np.zeros((len(gaps) + 1, d))
    means[1:, 0] = np.cumsum(gaps)
    groups = np.repeat(np.arange(len(means)), n)
    x = means[groups] + rng.standard_normal((len(groups), d))
    return x, bayesgmm.fit(x, len(means), family, start=groups)


def relabelled(method, x, fit, dataset, **arguments):
    """What a method makes of draws."""
    size = dataset.sizes["chain"] * dataset.sizes["draw"]
    density = np.random.default_rng(0).standard_normal(size)
    drawn = Draws.from_dataset(dataset, fit.family)
    return labels.relabel(method, fit.mixture.rows(x), drawn, fit.mixture, density, **arguments)


def rate(found, truth):
    """Share of draws in the right order."""
    return np.mean(np.all(found.permutations == truth, axis=1))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("family", ["VVV", "VVI", "EEE"])
@pytest.mark.parametrize(("d", "k"), [(1, 2), (1, 3), (2, 2), (2, 3), (2, 5), (4, 3)])
def test_every_method_undoes_permutations(d, k, family, seed):
    """Separated components: each draw is put back, moved draws are counted, none is ambiguous."""
    name = family if d > 1 else family[0]
    x, fit = in_a_row(SEPARATED[k], d, name, seed)
    raw = scattered_draws(fit, 2, 20, seed)
    mixed, truth = shuffled(raw, seed)
    for method in METHODS:
        found = relabelled(method, x, fit, mixed, order_by="x0")
        assert rate(found, truth) == 1, method
        assert found.method == method
        assert found.ambiguous_draws == 0
        assert found.converged
        moved = np.sum(np.any(truth != np.arange(k), axis=1))
        assert found.relabelled_draws == moved
        back = labels.permuted(mixed, found.permutations)
        for variable in ("pi", "mu", "Sigma"):
            np.testing.assert_array_equal(back[variable], raw[variable])


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("d", "k"), [(1, 2), (2, 3), (2, 5)])
def test_unequal_overlap(d, k, seed):
    """Neighbours 2.5 to 3 sd apart beside separated ones: every draw, by pra at least 80 %."""
    x, fit = in_a_row(UNEQUAL[k], d, "E" if d == 1 else "EEE", seed)
    mixed, truth = shuffled(scattered_draws(fit, 2, 50, seed, width=0.2), seed)
    for method in METHODS:
        least = 0.8 if method == "pra" else 0.99
        found = relabelled(method, x, fit, mixed, order_by="x0")
        assert rate(found, truth) >= least, method


def overlapping(seed):
    """Two groups 1.5 sd apart, their fit, and draws scattered by 0.3 sd, shuffled."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(2), (120, 80))
    x = (1.5 * groups + rng.standard_normal(200))[:, None]
    fit = bayesgmm.fit(x, 2, "V", start=groups)
    return x, fit, *shuffled(scattered_draws(fit, 2, 100, seed, width=0.3), seed)


@pytest.mark.parametrize("method", METHODS)
def test_overlap(method):
    """Groups 1.5 sd apart, six data sets: 98 % of the draws are put back, by ordering 95 %."""
    rates = []
    for seed in range(6):
        x, fit, mixed, truth = overlapping(seed)
        rates.append(rate(relabelled(method, x, fit, mixed, order_by="x0"), truth))
    assert np.mean(rates) >= (0.95 if method == "ordering" else 0.98)
    assert min(rates) >= (0.8 if method == "ordering" else 0.9)


def by_scipy(x, dataset):
    """Responsibilities of every draw, (S, n, K)."""
    pi, mu, sigma = (
        dataset[v].to_numpy().reshape(-1, *dataset[v].shape[2:]) for v in ("pi", "mu", "Sigma")
    )
    density = np.array(
        [
            [w * multivariate_normal(m, c).pdf(x) for w, m, c in zip(*draw, strict=True)]
            for draw in zip(pi, mu, sigma, strict=True)
        ]
    )
    density = density.reshape(len(pi), -1, len(x))
    return np.swapaxes(density / density.sum(axis=1, keepdims=True), 1, 2)


def score(method, reference, p):
    """What a method maximises for one draw, given the reference of every row, (n, K)."""
    if method == "stephens":
        return -np.sum(p * np.log(p / reference))
    chosen = p if method != "ecr-iterative-1" else p == p.max(axis=1, keepdims=True)
    return np.sum(chosen[np.arange(len(p)), reference.argmax(axis=1)])


def by_brute_force(method, start, p):
    """A method from its published description: all K! permutations, plain loops.

    Permutations and the score after each sweep, from the pivot's responsibilities `start`.
    """
    orders = np.array(list(itertools.permutations(range(start.shape[1]))))
    reference, found, scores = start, None, []
    while True:
        last, found = found, []
        for one in p:
            found.append(max(orders.tolist(), key=lambda o: score(method, reference, one[:, o])))
        moved = np.array([one[:, o] for one, o in zip(p, found, strict=True)])
        scores.append(sum(score(method, reference, one) for one in moved))
        if method == "ecr" or found == last:
            return np.array(found), scores
        if method == "ecr-iterative-1":
            moved = moved == moved.max(axis=2, keepdims=True)
        reference = moved.mean(axis=0)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("method", ["ecr", *ITERATIVE])
def test_allocation_methods_do_as_published(method, seed):
    """The same permutations, sweep for sweep, as plain loops over SciPy's densities and all K!."""
    x, fit = in_a_row((1.2, 1.5), 2, "VVV", seed, n=40)
    mixed, _ = shuffled(scattered_draws(fit, 1, 25, seed, width=0.4), seed)
    estimates = fit.to_xarray()[["pi", "mu", "Sigma"]].expand_dims(["chain", "draw"])
    start = by_scipy(x, estimates)[0]
    expected, scores = by_brute_force(method, start, by_scipy(x, mixed))
    found = relabelled(method, x, fit, mixed)
    np.testing.assert_array_equal(found.permutations, expected)
    if method in ITERATIVE:
        assert found.converged
        assert found.iterations == len(scores)
        falls = np.diff(found.losses)
        assert np.all(falls <= 1e-9 * abs(found.losses[0]))
        np.testing.assert_allclose(falls, -np.diff(scores), atol=1e-8)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("method", ITERATIVE)
def test_iterative_methods_end_at_their_best(method, seed):
    """Four draws of three overlapping components: no joint choice of permutations is better."""
    x, fit = in_a_row((1.8, 2.2), 1, "V", seed, n=40)
    mixed, _ = shuffled(scattered_draws(fit, 1, 4, seed, width=0.3), seed)
    p = by_scipy(x, mixed)
    if method == "ecr-iterative-1":
        p = (p == p.max(axis=2, keepdims=True)).astype(float)

    def total(permutations):
        moved = np.array([one[:, list(o)] for one, o in zip(p, permutations, strict=True)])
        mean = moved.mean(axis=0)
        if method == "stephens":
            return -np.sum(moved * np.log(mean))
        return -len(p) * np.sum(mean.max(axis=1))

    orders = list(itertools.permutations(range(3)))
    others = itertools.product(orders, repeat=3)  # the first draw's labels are free
    best = min(total(((0, 1, 2), *choice)) for choice in others)
    found = relabelled(method, x, fit, mixed)
    assert total(found.permutations) == pytest.approx(best, rel=1e-12)
    assert found.losses[-1] == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_data_based_is_the_best_of_all_permutations(seed):
    """Its sum over the rows, by loops, from centres and sd of the relabelled draws' rows."""
    x, fit = in_a_row((1.2, 1.5), 2, "VVV", seed, n=40)
    mixed, _ = shuffled(scattered_draws(fit, 1, 25, seed, width=0.4), seed)
    p = by_scipy(x, mixed)
    orders = list(itertools.permutations(range(3)))

    def centres(r):
        means = r.T @ x / r.sum(axis=0)[:, None]
        offsets = x[:, None] - means
        return means, np.sqrt(np.einsum("ik,ikj->kj", r, offsets**2) / r.sum(axis=0)[:, None])

    def best(means, sd):
        squares = np.sum(((x[:, None] - means) / sd) ** 2, axis=2)
        return [min(orders, key=lambda o: np.sum(one[:, list(o)] * squares)) for one in p]

    first = best(*centres(fit.predict_proba(x)))
    moved = np.array([one[:, list(o)] for one, o in zip(p, first, strict=True)])
    counts = moved.sum(axis=1)
    means = np.einsum("sik,ij->kj", moved, x) / counts.sum(axis=0)[:, None]
    within = np.array([centres(r)[1] ** 2 for r in moved])
    sd = np.sqrt(np.einsum("sk,skj->kj", counts, within) / counts.sum(axis=0)[:, None])
    found = relabelled("data-based", x, fit, mixed)
    np.testing.assert_array_equal(found.permutations, best(means, sd))


@pytest.mark.parametrize("family", ["VVV", "VVI"])
def test_pra_is_the_largest_scalar_product(family):
    """With the most probable draw, of all permutations, in the columns' sd."""
    x, fit = in_a_row((1.2, 1.5), 2, family, 0, n=40)
    mixed, _ = shuffled(scattered_draws(fit, 1, 25, 0, width=0.4), 0)
    drawn = Draws.from_dataset(mixed, fit.family)
    density = np.random.default_rng(1).standard_normal(25)
    found = labels.relabel("pra", fit.mixture.rows(x), drawn, fit.mixture, density)
    pi, mu, sigma = (mixed[v].to_numpy()[0] for v in ("pi", "mu", "Sigma"))
    total = np.einsum("sk,skj->j", pi, np.diagonal(sigma, axis1=2, axis2=3) + mu**2)
    sd = np.sqrt((total - np.sum(np.einsum("sk,skj->sj", pi, mu) ** 2, axis=0)) / 25)
    upper = np.triu_indices(2)
    scaled = (sigma / np.outer(sd, sd))[:, :, *upper]
    vectors = np.concatenate([pi[:, :, None], mu / sd, scaled], axis=2)
    top = np.argmax(density)
    pivot = vectors[top][found.permutations[top]]
    for s in range(25):
        products = {
            o: np.sum(vectors[s][list(o)] * pivot) for o in itertools.permutations(range(3))
        }
        assert tuple(found.permutations[s]) == max(products, key=products.get)


@pytest.mark.parametrize("order_by", ["pi", "x0", "x1"])
def test_ordering_ranks_components_as_the_fit_does(order_by):
    """Every draw has the order of the fit in what is asked for."""
    x, fit = in_a_row(UNEQUAL[5], 2, "VVV", 0)
    mixed, _ = shuffled(scattered_draws(fit, 2, 20, 0), 0)
    found = relabelled("ordering", x, fit, mixed, order_by=order_by)
    settled = labels.permuted(mixed, found.permutations)
    if order_by == "pi":
        values, pivot = settled["pi"], fit.weights
    else:
        values, pivot = settled["mu"].sel(feature=order_by), fit.means[:, int(order_by[1])]
    assert np.all(np.diff(values.to_numpy()[..., np.argsort(pivot)], axis=-1) > 0)


@pytest.mark.parametrize("method", METHODS)
def test_settled_draws_are_left_alone(method):
    """The fit's own labelling is not touched, and nothing is counted."""
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 2, random_seed=0)
    found = relabelled(method, x, fit, scattered_draws(fit, 1, 20, 0))
    assert found.relabelled_draws == 0
    assert np.array_equal(found.permutations, np.tile([0, 1], (20, 1)))


@pytest.mark.parametrize("method", METHODS)
def test_one_component(method):
    """There is nothing to settle, and nothing fails."""
    x = bayesgmm.datasets.load_faithful()
    fit = bayesgmm.fit(x, 1)
    found = relabelled(method, x, fit, scattered_draws(fit, 1, 5, 0))
    assert found.permutations.tolist() == [[0]] * 5
    assert found.ambiguous_draws == 0


def test_draws_that_form_no_permutation_are_counted():
    """Two components of a draw where one belongs: counted by every method, and relabelled."""
    x, fit = in_a_row(SEPARATED[3], 2, "VVV", 0)
    raw = scattered_draws(fit, 1, 30, 0)
    raw["mu"][0, :3, 0] = raw["mu"][0, :3, 1].to_numpy() + 0.1
    mixed, _ = shuffled(raw, 0)
    for method in METHODS:
        found = relabelled(method, x, fit, mixed, order_by="x0")
        assert np.flatnonzero(found.ambiguous).tolist() == [0, 1, 2], method
        assert np.all(np.sort(found.permutations, axis=1) == np.arange(3))
    text = repr(posterior_of(x, fit, mixed).relabel("ecr"))
    assert "3 draws form no permutation of its components" in text


@pytest.mark.parametrize("method", METHODS)
def test_memory_does_not_change_the_result(method, monkeypatch):
    """Allocations made anew in every sweep, and blocks of few rows, give the same."""
    x, fit = in_a_row((1.2, 1.5), 2, "VVV", 0, n=40)
    mixed, _ = shuffled(scattered_draws(fit, 1, 25, 0, width=0.4), 0)
    kept = relabelled(method, x, fit, mixed)
    monkeypatch.setattr("bayesgmm.data.blocks.MEMORY", 100)
    anew = relabelled(method, x, fit, mixed)
    np.testing.assert_array_equal(anew.permutations, kept.permutations)
    assert anew.losses == pytest.approx(kept.losses, rel=1e-12)


@pytest.mark.parametrize("method", ITERATIVE)
def test_part_of_many_rows_is_enough(method, monkeypatch):
    """Read 60 of 180 rows: the same rows every time, and separated draws are put back."""
    monkeypatch.setattr(allocation, "_MAX_ROWS", 60)
    x, fit = in_a_row(SEPARATED[3], 2, "VVV", 0)
    mixed, truth = shuffled(scattered_draws(fit, 2, 20, 0), 0)
    found = relabelled(method, x, fit, mixed)
    assert rate(found, truth) == 1
    assert found.losses == relabelled(method, x, fit, mixed).losses


def test_sweeps_that_do_not_settle_are_told(monkeypatch):
    """The last permutations are given, and it is said that they are not settled."""
    monkeypatch.setattr(allocation, "_MAX_SWEEPS", 1)
    x, fit, mixed, _ = overlapping(1)
    posterior = posterior_of(x, fit, mixed).relabel("stephens")
    assert not posterior.relabelling.converged
    assert "not converged after 1 sweeps" in repr(posterior)


def test_posterior_is_relabelled_as_a_copy(tmp_path):
    """Draws, record, counts and words of the new one; the old one stays; files keep it all."""
    x, fit = in_a_row(SEPARATED[3], 2, "VVV", 0)
    raw = scattered_draws(fit, 2, 30, 0)
    raw["mu_offset"] = raw["mu"] - fit.means  # any variable with a component axis
    mixed, truth = shuffled(raw, 0)
    moved = np.sum(np.any(truth != np.arange(3), axis=1))
    sampled = posterior_of(x, fit, mixed)
    settled = sampled.relabel("stephens")
    assert (sampled.relabelled_draws, settled.relabelled_draws) == (0, moved)
    for name in raw.data_vars:
        np.testing.assert_array_equal(sampled.tree["posterior"][name], mixed[name])
        np.testing.assert_array_equal(settled.tree["posterior"][name], raw[name])
    assert settled.tree.attrs["relabelling"] == "stephens"
    assert settled.tree.attrs["relabelled_draws"] == moved
    assert settled.tree.attrs["ambiguous_draws"] == 0
    assert sampled.tree.attrs["relabelling"] == "none"
    for text in (repr(settled), settled._repr_html_()):
        assert f"{moved} draws relabelled to the EM fit (stephens)" in text
    settled.save(tmp_path / "p.nc")
    back = Posterior.load(tmp_path / "p.nc").relabelling
    np.testing.assert_array_equal(back.permutations, settled.relabelling.permutations)
    assert (back.method, back.losses) == ("stephens", settled.relabelling.losses)


def test_relabelling_again_counts_from_what_was_sampled():
    """The record is of all relabellings together."""
    x, fit = in_a_row(SEPARATED[3], 2, "VVV", 0)
    mixed, truth = shuffled(scattered_draws(fit, 2, 30, 0), 0)
    twice = posterior_of(x, fit, mixed).relabel("ecr").relabel("ordering", order_by="x0")
    np.testing.assert_array_equal(twice.relabelling.permutations, truth)
    assert twice.relabelling.method == "ordering"


def test_what_there_is_not_is_refused():
    """Methods and columns, by name."""
    posterior = make_posterior(*in_a_row((6.0,), 2, "VVV", 0))
    with pytest.raises(
        ValueError, match="relabelling method is 'sjw': choose among 'ecr', .*'pra'"
    ):
        posterior.relabel("sjw")
    with pytest.raises(ValueError, match="order_by is 'x7': choose 'pi' or a column"):
        posterior.relabel("ordering", order_by="x7")
