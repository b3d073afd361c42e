"""A prior from the command line: the choices of `Prior.from_data`, the same in every command."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..prior import Prior

_PANEL = "Prior"

Concentration = Annotated[
    float | None,
    typer.Option(
        help="Of the Dirichlet prior of the proportions: 1, the default, is uniform; well below "
        "it, components that the data do not need are emptied.",
        rich_help_panel=_PANEL,
    ),
]
RandomScale = Annotated[
    bool,
    typer.Option(
        "--random-scale",
        help="The scale of the covariances is random, the same in all components.",
        rich_help_panel=_PANEL,
    ),
]
Conjugate = Annotated[
    bool,
    typer.Option(
        "--conjugate",
        help="Means that are spread like their covariances, as of mclust's priorControl.",
        rich_help_panel=_PANEL,
    ),
]


def chosen(
    rows: Any,
    concentration: float | None,
    random_scale: bool,
    conjugate: bool,
    n_components: int | None,
) -> Prior | None:
    """The prior of these rows that was asked for; None where none of the options was given.

    n_components is None where there are several, of which no conjugate prior can have one scale.
    """
    if concentration is None and not random_scale and not conjugate:
        return None
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
