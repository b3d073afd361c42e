"""The whole chain on one table of data, written as one self-contained HTML file."""

from .analysis import Analysis, analyse
from .html import render, report

__all__ = ["Analysis", "analyse", "render", "report"]
