"""Compile what the tests need once, before several processes would compile it at the same time.

Run as `python -m tests.warm_caches` (make test does). Numba and PyTensor keep compiled code on
disk, but two processes that fill an empty cache together do the work twice, and used to collide.
"""

from __future__ import annotations

import time

import numpy as np

import bayesgmm


def main() -> None:
    start = time.perf_counter()
    x = bayesgmm.datasets.load_faithful()
    fits = [bayesgmm.fit(x, 2, family, n_init=1, random_seed=0) for family in ("VVV", "VVI", "VEV")]
    bayesgmm.fit(x.astype(np.float32), 2, n_init=1, random_seed=0)
    for fit in fits:
        bayesgmm.refine(x, fit, draws=20, tune=20, chains=2, random_seed=0, progressbar=False)
    print(f"compiled kernels and models in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")  # twenty draws do not converge
    main()
