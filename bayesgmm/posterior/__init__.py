"""The posterior of a mixture: draws, labels, diagnostics, evidence, summaries."""
