"""Options for a prior: the choices of `Prior.from_data`, the same in every command."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..mixture.prior import Prior

#: The heading of these options in the help.
PANEL = "Prior"

Concentration = Annotated[
    float | None,
    typer.Option(
        help="Concentration of the Dirichlet prior on the mixing proportions: 1, the default, is "
        "uniform; well below it, components that the data do not need are emptied.",
        rich_help_panel=PANEL,
    ),
]
RandomScale = Annotated[
    bool,
    typer.Option(
        "--random-scale",
        help="The scale of the covariances is random, the same in all components.",
        rich_help_panel=PANEL,
    ),
]
Conjugate = Annotated[
    bool,
    typer.Option(
        "--conjugate",
        help="Conjugate normal-inverse-Wishart prior; for EEE, VVV, E and V as in mclust's "
        "priorControl.",
        rich_help_panel=PANEL,
    ),
]


def any_given(concentration: float | None, random_scale: bool, conjugate: bool) -> bool:
    """Whether any of the options was given."""
    return concentration is not None or random_scale or conjugate


def prior_from_options(
    rows: Any,
    concentration: float | None,
    random_scale: bool,
    conjugate: bool,
    n_components: int | None,
) -> Prior:
    """The prior of these rows: the default, but for the options given.

    n_components is None if there are several, for which a conjugate prior has no common scale.
    """
    if conjugate and not random_scale and n_components is None:
        raise typer.BadParameter(
            "its scale depends on the number of components: give one with -k, or add "
            "--random-scale.",
            param_hint="--conjugate",
        )
    return Prior.from_data(
        rows,
        concentration=1.0 if concentration is None else concentration,
        random_scale=random_scale,
        conjugate=conjugate,
        n_components=n_components,
    )
