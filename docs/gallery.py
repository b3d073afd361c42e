"""The gallery: every plot, drawn by the code beside it while the site is built.

`python -m docs.gallery` draws the README's figure.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

HERE = Path(__file__).parent
_HEAD = """# Gallery

Every plot, drawn by the code above it. Arguments: [Plots](../index.md#plots); places and sizes:
[Plotting](../../howto/plots.md).
"""
_BEFORE = """import bayesgmm

X = bayesgmm.datasets.load_faithful()
iris = bayesgmm.datasets.load_iris(features_only=True)
selection = bayesgmm.select(X, range(1, 6), random_seed=1, progressbar=False)
fit = bayesgmm.fit(X, 2, random_seed=1).with_component_names(["long", "short"])
flowers = bayesgmm.fit(iris, 3, "VEV", random_seed=1)
posterior = bayesgmm.refine(X, fit, random_seed=1, progressbar=False)
errors = bayesgmm.standard_errors(X, fit, "information")
merging = bayesgmm.merge(X, bayesgmm.fit(X, 4, random_seed=1))
"""
#: Titles and the expressions that draw, in the order of an analysis.
PLOTS = {
    "Criteria by number of components and family": "selection.plot.bic()",
    "Rows by component": "fit.plot.classification(X)",
    "Rows by component, several columns": "flowers.plot.classification(iris)",
    "Uncertainty of the classification": "flowers.plot.uncertainty(iris)",
    "Responsibilities": "flowers.plot.responsibilities(iris)",
    "Means of the components": "flowers.plot.profiles(iris)",
    "Density of two columns": "fit.plot.density(X)",
    "Density of one column, with the posterior's interval": (
        'posterior.plot.density(columns="waiting")'
    ),
    "Convergence of EM": "fit.plot.convergence()",
    "Components merged to clusters": "merging.plot.merging()",
    "Posterior beside the EM estimates": "posterior.plot.posterior(standard_errors=errors)",
    "Posterior similarity": "posterior.plot.coclustering()",
    "Labels before and after relabelling": "posterior.plot.label_moves()",
    "Predictive check": "posterior.plot.check(random_seed=1)",
    "Distributions of new data sets": "posterior.plot.predictive(random_seed=1)",
    "Traces": "posterior.plot.trace()",
    "Ranks of the chains": "posterior.plot.rank()",
}


def gallery(folder: Path) -> str:
    """The page, in Markdown; its figures are written to the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    known: dict[str, Any] = {}
    exec(_BEFORE, known)  # noqa: S102 - the code that the page shows
    parts = [_HEAD, "```python", _BEFORE.rstrip(), "```", ""]
    for title, code in PLOTS.items():
        name = re.sub(r"\W+", "-", title.lower()).strip("-")
        _save(eval(code, known), folder / f"{name}.png")  # noqa: S307
        parts += [
            f"## {title}", "", "```python", code, "```", "",
            f"![{title}]({folder.name}/{name}.png)", "",
        ]  # fmt: skip
    return "\n".join(parts)


def write_gallery(page: Path) -> None:
    """Write the page and its figures, unless they are newer than the package."""
    sources = [Path(__file__), *(HERE.parent / "bayesgmm" / "plots").glob("*.py")]
    if page.exists() and page.stat().st_mtime > max(p.stat().st_mtime for p in sources):
        return
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(gallery(page.parent / "gallery"))


def write_picture(path: Path) -> None:
    """Write the README's figure: rows by component beside the posterior of their density."""
    import matplotlib.pyplot as plt

    known: dict[str, Any] = {}
    exec(_BEFORE, known)  # noqa: S102
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    known["fit"].plot.classification(known["X"], ax=left)
    known["posterior"].plot.density(units=known["X"].attrs["units"], ax=right)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _save(drawn: Any, path: Path) -> None:
    from bayesgmm.plots.backends import as_png

    path.write_bytes(as_png(drawn, 90))


if __name__ == "__main__":
    write_picture(HERE / "figures" / "faithful.png")
