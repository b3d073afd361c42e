"""Small real data sets that mixtures are usually tried on, each as a pandas DataFrame."""

from .loaders import (
    load_acidity,
    load_diabetes,
    load_faithful,
    load_galaxies,
    load_iris,
    load_penguins,
)

__all__ = [
    "load_acidity",
    "load_diabetes",
    "load_faithful",
    "load_galaxies",
    "load_iris",
    "load_penguins",
]
