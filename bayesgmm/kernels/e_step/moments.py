"""From sums over the rows to the statistics that the M-step reads."""

from __future__ import annotations

from ..compilation import jit


@jit()
def central_moments(moments, about, scale, means, scatters):  # type: ignore[no-untyped-def]
    """Write means (K, d) and scatters in the user's units from moments in scaled coordinates.

    The moments are about `about` (K, d); of their second ones the lower triangles are read.
    scatters has the shape of these, and may be them.
    """
    counts, first, second = moments.counts, moments.first, moments.second
    n_components, d = first.shape
    diagonal = second.shape[1] < d
    for k in range(n_components):
        count = counts[k] if counts[k] > 0.0 else 1.0
        for j in range(d):
            means[k, j] = (first[k, j] / count + about[k, j]) * scale[j]
        for i in range(second.shape[1]):
            for j in range(d if diagonal else i + 1):
                q = j if diagonal else i
                v = second[k, i, j] - first[k, q] * (first[k, j] / count)
                v *= scale[q] * scale[j]
                scatters[k, i, j] = v
                if not diagonal:
                    scatters[k, j, i] = v
