"""A posterior with more draws of the same chains."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from ..posterior.labels.methods import Method
from ..posterior.of_model import is_of_model, is_pseudo
from ..posterior.posterior import Posterior
from ..posterior.steps import with_steps
from ..utils.errors import ConvergenceAdvice
from ..utils.validation import MOST_STEPS, check_integer
from ..utils.warnings import warn
from .auto import Target, least_ess
from .continuation import continued
from .registry import SAMPLERS, names_where
from .run.settings import Settings

# Attributes of the tree that more draws do not change.
_KEPT = (
    "creation_library", "creation_library_version", "sampler", "tune", "random_seed", "weights",
    "fixed_labels",
)  # fmt: skip
# Where a posterior's file is older than the record of it.
_ACCEPT = 0.8


def extend(
    posterior: Posterior, draws: int, *, cores: int | None = None, progressbar: bool = True
) -> Posterior:
    """A posterior with more draws of the same chains; see `Posterior.extend`."""
    draws = check_integer("draws", draws, 4, MOST_STEPS)
    _check_extendable(posterior)
    group, attrs = posterior.tree["posterior"], posterior.tree.attrs
    seed = int(attrs["random_seed"])
    settings = Settings(
        draws, int(attrs["tune"]), group.sizes["chain"], None if seed < 0 else seed,
        float(group.attrs.get("target_accept", _ACCEPT)), cores, progressbar,
        int(group.attrs["thin"]),
    )  # fmt: skip
    tree = continued(posterior, SAMPLERS[posterior.sampler], settings)
    kept = {name: attrs[name] for name in _KEPT if name in attrs}
    longer = Posterior.assemble(tree, posterior.fit, posterior.prior, kept)
    longer = replace(longer, rows=posterior.rows)
    longer = longer.with_labels(cast(Method, posterior.relabelling.method))
    found = longer.diagnostics
    if posterior.steps:
        missed = Target(least_ess(found.chains), 0.0).missed(found)
        step = replace(posterior.steps[-1], chains=found.chains, draws=found.draws, missed=missed)
        longer = replace(longer, tree=with_steps(longer.tree, [*posterior.steps, step]))
    if found.problems:
        warn(" ".join(found.problems), ConvergenceAdvice)
    return longer


def _check_extendable(posterior: Posterior) -> None:
    """Refuse draws whose chains cannot go on."""
    if is_of_model(posterior.tree):
        raise ValueError(
            "the posterior is of a PyMC model, which is not kept with it: call "
            "refine(X, fit, model=model, draws=...) for more draws."
        )
    if is_pseudo(posterior.tree):
        raise ValueError(
            "the draws of a pseudo-posterior have the sandwich's width, which no chain has: call "
            "refine with more draws."
        )
    if SAMPLERS[posterior.sampler].resuming is None:
        able = " or ".join(map(repr, names_where(lambda sampler: sampler.resuming)))
        raise ValueError(
            f"draws of {posterior.sampler!r} have no chains that can go on; those of {able} have: "
            "call refine with more draws."
        )
    if posterior.steps and posterior.steps[-1].weighed:
        raise ValueError(
            "the draws are from modes that no chain leaves, each with its weight: their chains "
            "cannot go on; call refine with more draws."
        )
