"""The whole analysis of one table of data, written as one HTML file or as Markdown."""

from .analysis import Analysis, ReportRequest, analyse
from .report import render, report

__all__ = ["Analysis", "ReportRequest", "analyse", "render", "report"]
