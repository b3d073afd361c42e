"""`bayesgmm classify` and `bayesgmm merge`: the component, or cluster, of every row."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..mixture.classification import classify
from ..mixture.merging import merge
from . import options
from .outcome import errors_as_text, print_json, print_text
from .saved import Cell, SavedFit, SavedResult, fit_of, load_fit, load_model
from .table_out import TableOrFolderOut, TableOut, is_folder, write_table
from .tables import Source, reads_table

if TYPE_CHECKING:
    import pandas as pd

_CLASSIFY_EPILOG = """Examples:

bayesgmm classify eruptions.csv two.npz --out classes.csv

bayesgmm classify new.csv grid.npz --cell EEE,3 --responsibilities

bayesgmm classify plants.csv three.nc --keep name,site --out classes.parquet

bayesgmm classify measurements/ two.npz --out classes.zarr"""
_MERGE_EPILOG = """Examples:

bayesgmm merge eruptions.csv grid.npz

bayesgmm merge eruptions.csv grid.npz --cell EEE,3 --clusters 2 --out clusters.csv"""
_ROW = "row"

_Keep = Annotated[
    str,
    typer.Option(metavar="COLUMNS", help="Columns of DATA to copy, such as a name of the row."),
]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("classify", epilog=_CLASSIFY_EPILOG)(_classify)
    app.command("merge", epilog=_MERGE_EPILOG)(_merge)


@reads_table
def _classify(
    data: Source,
    saved: SavedResult,
    cell: Cell = "",
    responsibilities: Annotated[
        bool, typer.Option("--responsibilities", help="Also the probability of every component.")
    ] = False,
    keep: _Keep = "",
    out: TableOrFolderOut = None,
    json: options.AsJson = False,
) -> None:
    """The most probable component of each row, and how uncertain it is; also of new rows.

    With a posterior, probabilities are averaged over its draws.
    """
    options.spare_inputs(out, data.path, saved)
    with errors_as_text():
        model = load_model(saved, cell)
        rows = data.rows_of(fit_of(model).mixture)
        if out is not None and is_folder(out):
            if keep:
                raise typer.BadParameter(
                    "columns are copied to files, not to folders: leave it out.",
                    param_hint="--keep",
                )
            classify(rows, model, responsibilities=responsibilities, out=out)
            if json:
                print_json({"saved": str(out)})
            else:
                print_text(f"The component of each row written to {out}")
            return
        table = classify(rows, model, responsibilities=responsibilities)
        table = _with_kept(table, data, keep)
        if out is not None:
            write_table(table, out)
    sizes = table["component"].value_counts().sort_index()
    _print(table, {"sizes": {int(k): int(n) for k, n in sizes.items()}}, out, json)


@reads_table
def _merge(
    data: Source,
    saved: SavedFit,
    cell: Cell = "",
    clusters: Annotated[
        int | None,
        typer.Option(min=1, help="Number of clusters. Default: the elbow of the entropy."),
    ] = None,
    weights: options.Weights = "",
    keep: _Keep = "",
    out: TableOut = None,
    json: options.AsJson = False,
) -> None:
    """Merge components that overlap into clusters; with --out, the cluster of each row."""
    options.spare_inputs(out, data.path, saved)
    with errors_as_text():
        fit = load_fit(saved, cell)
        rows = data.weighted_rows_of(fit.mixture, weights)
        merging = merge(rows, fit)
        number = merging.suggest() if clusters is None else clusters
        parts = merging.clusters(number)
        if out is not None:
            import pandas as pd

            table = pd.DataFrame({"cluster": merging.predict(rows, number)})
            write_table(_with_kept(table, data, keep), out)
    if json:
        print_json({
            "data": str(data), "n_clusters": number, "clusters": parts,
            "table": merging.table.reset_index().to_dict(orient="records"),
            "saved": out and str(out),
        })  # fmt: skip
        return
    print_text(repr(merging))
    if clusters is not None:
        print_text(f"{number} clusters of components: " + "; ".join(map(_members, parts)))
    if out is not None:
        print_text(f"The cluster of each row written to {out}")


def _members(cluster: tuple[int, ...]) -> str:
    return ", ".join(map(str, cluster))


def _with_kept(table: pd.DataFrame, data: Source, keep: str) -> pd.DataFrame:
    """The table by row number, after the columns of the data to copy."""
    table = table.rename_axis(_ROW).reset_index(drop=False)
    for position, name in enumerate(options.listed(keep) or [], start=1):
        data.refuse_unknown(name, "--keep")
        if name in table.columns:
            raise typer.BadParameter(
                f"{name!r} is a column of the result too: rename it in {data.name}.",
                param_hint="--keep",
            )
        table.insert(position, name, data.frame[name].to_numpy())
    return table


def _print(table: pd.DataFrame, summary: dict[str, Any], out: Path | None, json: bool) -> None:
    if json:
        rows = {} if out is not None else {"rows": table.to_dict(orient="records")}
        print_json({**summary, **rows, "saved": out and str(out)})
    elif out is None:
        table.to_csv(sys.stdout, index=False, lineterminator="\n")
    else:
        counts = ", ".join(f"{k}: {n}" for k, n in summary["sizes"].items())
        print_text(f"{len(table)} rows by component ({counts}) written to {out}")
