"""The whole analysis of one table of data, written as one HTML file or as Markdown."""

from .analysis import Analysis, analyse
from .report import render, report
from .request import ReportRequest

__all__ = ["Analysis", "ReportRequest", "analyse", "render", "report"]
