"""Posteriors kept in a file, and one made of draws."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, Self, cast

import xarray as xr

from ..em.result import Fit
from ..mixture.prior import Prior
from .named_components import with_names_of
from .posterior_tree import fit_and_prior, read_tree, with_fit_and_prior, write_tree


class InFile:
    """What is written to a file as one tree, and read again."""

    tree: xr.DataTree

    def save(self, path: str | Path) -> None:
        """Write the posterior, with its fit and prior, to a NetCDF file (h5netcdf, no pickle).

        An old file is replaced when the new one is complete, and stays as it was otherwise.

        Parameters
        ----------
        path : str or Path
            The file.
        """
        write_tree(self.tree, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a posterior written by `save`.

        Parameters
        ----------
        path : str or Path
            The file.

        Returns
        -------
        Posterior or ComponentsPosterior
            As this class.

        Raises
        ------
        OSError
            The file cannot be opened.
        ValueError
            The file is not a saved posterior of this kind, or is damaged.
        """
        return read_tree(path, cls.from_tree)

    @classmethod
    @abstractmethod
    def from_tree(cls, tree: xr.DataTree) -> Self:
        """The posterior in a tree that `save` wrote; others are refused.

        Parameters
        ----------
        tree : xarray.DataTree
            What was read from the file.

        Returns
        -------
        Posterior or ComponentsPosterior
            As this class.
        """


class Saved(InFile):
    """What a posterior of K components does with its tree as a whole."""

    @classmethod
    def from_tree(cls, tree: xr.DataTree) -> Self:
        """The posterior in a tree that `save` wrote or `refine` made; others are refused.

        Parameters
        ----------
        tree : xarray.DataTree
            As `tree`.

        Returns
        -------
        Posterior
        """
        fit, prior = fit_and_prior(tree)
        return cls._made_of(with_names_of(tree, fit), fit, prior)

    @classmethod
    def assemble(
        cls, tree: xr.DataTree, fit: Fit, prior: Prior | None, attrs: dict[str, Any]
    ) -> Self:
        """A posterior from relabelled draws; the tree gets everything that `save` writes.

        Parameters
        ----------
        tree : xarray.DataTree
            The draws.
        fit : Fit
            The fit that they were started at.
        prior : Prior or None
            Their prior.
        attrs : dict
            Attributes of the tree.

        Returns
        -------
        Posterior
        """
        return cls._made_of(with_fit_and_prior(tree, fit, prior, attrs), fit, prior)

    @classmethod
    def _made_of(cls, tree: xr.DataTree, fit: Fit, prior: Prior | None) -> Self:
        return cast(Self, cast(Any, cls)(tree, fit, prior))
