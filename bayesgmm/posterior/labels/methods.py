"""The names of the relabelling methods, as types and the command line know them."""

from typing import Literal

Method = Literal[
    "ecr", "ecr-iterative-1", "ecr-iterative-2", "stephens", "data-based", "pra", "ordering"
]
