"""The names of the relabelling methods, for type checkers and the command line."""

from typing import Literal

Method = Literal[
    "ecr", "ecr-iterative-1", "ecr-iterative-2", "stephens", "data-based", "pra", "ordering"
]
