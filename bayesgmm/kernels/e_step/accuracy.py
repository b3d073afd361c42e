"""The smallest variance of a component, and the rounding errors of a pass.

Compiled code holds these numbers: `kernels/cache.py` finds this file by the word compilation.
"""

from __future__ import annotations

import numpy as np

# A component is degenerate when its width falls below 1e-8 of the data's (here: conditional
# variances in scaled coordinates): closer to zero, double precision no longer resolves it.
SMALLEST_VARIANCE = 1e-16
# Eight roundings of the largest term: three times the worst seen (tests/kernels/test_pass.py).
ROUNDING = 8 * float(np.finfo(np.float64).eps)
# The centred form has the factors' roundings besides those of its own sums.
OF_FACTORS = 4.0
