"""Old Faithful's posterior by an independent sampler, and the prior that it belongs to."""

from __future__ import annotations

import bayesgmm
from bayesgmm.mixture.prior import Prior

PRIOR = Prior(
    mean=[4, 76], mean_covariance=[3.5**2, 53**2], dof=6, scale=[0.06 * 3.5**2, 0.06 * 53**2]
)
#: K = 2, VVV, short eruptions first: posterior means as printed, and standard deviations, by a
#: Gibbs sampler (72 000 sweeps); log evidence and LOO of the same run are the reference's too.
POSTERIOR = {
    "pi[0]": ("0.3569", 0.029),
    "mu[0, eruptions]": ("2.0366", 0.028),
    "mu[0, waiting]": ("54.480", 0.60),
    "mu[1, eruptions]": ("4.2897", 0.032),
    "mu[1, waiting]": ("79.967", 0.46),
    "Sigma[0, eruptions, eruptions]": ("0.0753", 0.0115),
    "Sigma[0, eruptions, waiting]": ("0.4298", 0.17),
    "Sigma[0, waiting, waiting]": ("34.74", 4.97),
    "Sigma[1, eruptions, eruptions]": ("0.1726", 0.019),
    "Sigma[1, eruptions, waiting]": ("0.9335", 0.21),
    "Sigma[1, waiting, waiting]": ("36.59", 3.97),
}


def short_first(x, k=2, **arguments):
    """A fit whose component 0 is the short eruptions, as in the reference."""
    labels = (x["eruptions"] > 3).astype(int)
    return bayesgmm.fit(x, k, start=labels, **arguments)
