"""A sampler of shaped families that has nothing of the library's: Metropolis's, in plain NumPy.

Many short chains at once, of the allocations summed out, by turns of blocks of variables: axes are
moved by small random rotations, which leave Haar's measure alone, everything else by normal steps.
"""

from __future__ import annotations

import numpy as np

_CHAINS, _BURN_IN, _AIM = 150, 1500, 0.3


class Metropolis:
    """Chains of pi's log ratios, mu, log volumes, log shapes and axes, from a fit's parameters."""

    def __init__(self, x, fit, prior, rng):
        self.x, self.prior, self.family, self.rng = x, prior, fit.family, rng
        k, d = fit.means.shape
        volume, shape, axes = (letter.number(k) for letter in fit.family.letters)
        _, turns = np.linalg.eigh(fit.covariances)
        turns[..., 0] *= np.sign(np.linalg.det(turns))[:, None]
        along = np.log(np.einsum("kij,kil,klj->kj", turns, fit.covariances, turns))
        level = along.mean(axis=1)
        state = {
            "pi": np.log(fit.weights[:-1] / fit.weights[-1]), "mu": fit.means,
            "volume": level[:volume], "shape": (along - level[:, None])[:shape],
            "axes": turns[:axes],
        }  # fmt: skip
        self.state = {name: np.repeat(v[None], _CHAINS, axis=0) for name, v in state.items()}
        self.steps = dict.fromkeys(self.state, 0.1)
        self.value = self.log_density(self.state)

    def covariances(self, state):
        """Sigma (C, K, d, d)."""
        axes, variances = self._axes_and_variances(state)
        return np.einsum("ckij,ckj,cklj->ckil", axes, variances, axes)

    def _axes_and_variances(self, state):
        k = state["mu"].shape[1]
        full = [np.repeat(state[n], k // state[n].shape[1], axis=1) for n in list(state)[2:]]
        return full[2], np.exp(full[0][..., None] + full[1])

    def log_density(self, state):
        """Log posterior density (C,) with respect to the steps' own measure."""
        prior, d, mu = self.prior, self.x.shape[1], state["mu"]
        axes, variances = self._axes_and_variances(state)
        logits = np.concatenate([state["pi"], np.zeros((len(mu), 1))], axis=1)
        log_pi = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        turned = np.einsum("ckij,cnki->cnkj", axes, self.x[None, :, None] - mu[:, None])
        logs = np.log(variances).sum(axis=2)
        terms = log_pi - 0.5 * logs
        terms = terms[:, None] - 0.5 * np.einsum("cnkj,ckj->cnk", turned**2, 1 / variances)
        peak = terms.max(axis=2, keepdims=True)
        total = (np.log(np.exp(terms - peak).sum(axis=2)) + peak[..., 0]).sum(axis=1)
        total += prior.expected_concentration * log_pi.sum(axis=1)
        away = mu - prior.mean
        total -= 0.5 * np.einsum("cki,ij,ckj->c", away, np.linalg.inv(prior.mean_covariance), away)
        psi = np.einsum("ckij,il,cklj->ckj", axes, prior.scale, axes)
        total -= 0.5 * ((prior.dof + d + 1) * logs.sum(axis=1) + (psi / variances).sum(axis=(1, 2)))
        total += (d if self.family.name == "VVE" else 1) * state["volume"].sum(axis=1)
        return total

    def moved(self, name):
        """A step of one block."""
        value, size = self.state[name], self.steps[name]
        step = size * self.rng.standard_normal(value.shape)
        if name == "shape":
            step -= step.mean(axis=-1, keepdims=True)
        if name != "axes":
            return value + step
        skew = 0.5 * (step - np.swapaxes(step, -1, -2))
        unit = np.eye(value.shape[-1])
        return value @ np.linalg.solve(unit + skew, unit - skew)

    def sweep(self, adapt):
        """One step of every block."""
        for name in self.state:
            new = self.state | {name: self.moved(name)}
            value = self.log_density(new)
            taken = np.log(self.rng.random(len(value))) < value - self.value
            self.value = np.where(taken, value, self.value)
            for chain in np.flatnonzero(taken):
                self.state[name][chain] = new[name][chain]
            if adapt:
                self.steps[name] *= np.exp(0.2 * (taken.mean() - _AIM))

    def draws(self, number, every=5):
        """pi, mu and Sigma as numbers (C, number, many), each after `every` sweeps."""
        for _ in range(_BURN_IN):
            self.sweep(adapt=True)
        kept = []
        for _ in range(number):
            for _ in range(every):
                self.sweep(adapt=False)
            weight = 1 / (1 + np.exp(self.state["pi"]).sum(axis=1, keepdims=True))
            parts = np.exp(self.state["pi"]) * weight, self.state["mu"]
            parts = (*parts, self.covariances(self.state))
            kept.append(np.concatenate([p.reshape(_CHAINS, -1) for p in parts], axis=1))
        return np.stack(kept, axis=1)
