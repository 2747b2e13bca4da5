"""The scores of Joint Bayesian in closed form: an inner product, and a number for each feature.

In the coordinates z = Vᵀ(x - mean), in which S_ε is the identity and S_μ = diag(λ), the score
log p(x1, x2 | same identity) - log p(x1, x2 | different ones) is a sum over coordinates

    log(1 + λ) - log(1 + 2λ) / 2 + λ z1 z2 / (1 + 2λ) - (z1² + z2²) λ² / (2 (1 + λ) (1 + 2λ)).

With t = z √(λ / (1 + 2λ)) and c the sum of the first two terms,

    score = t1 · t2 + h(t1) + h(t2),    h(t) = c / 2 - Σ t² λ / (2 (1 + λ)).
"""

import numpy as np


def scales(variances):
    """t / z, from λ: both float64 (d,)."""
    return np.sqrt(variances / (1 + 2 * variances))


def offsets(transformed, variances):
    """h of every row t, float64 (n,), from t (n, d) and λ (d,)."""
    constant = np.sum(np.log1p(variances) - np.log1p(2 * variances) / 2)
    return (constant - np.square(transformed) @ (variances / (1 + variances))) / 2
