"""One planar map, which bends space along the direction w and leaves all others alone.

    f(z) = z + u h(a),   a = w^T z + b,   h = tanh                        eq. 10
    |det df/dz| = |1 + u^T psi(z)| = 1 + h'(a) m,   m = w^T u_hat         eqs. 11 and 12

f can be inverted if w^T u >= -1, so u is moved along w until it is: u_hat = u + (m - w^T u) w / |w|^2 with
m = softplus(w^T u) - 1 (appendix A.1).

Source: Rezende & Mohamed, "Variational Inference with Normalizing Flows", ICML 2015. Symbols: Z dimensions of z. Read
before this: layers.py. Used by: models/flows/planar.py, where w, u and b are parameters; posterior.py, where a network
gives them for each example.
"""
from autograd import softplus, tanh


def invertible(w, u):
    """u_hat (..., Z) and m (..., 1) of w and u (..., Z)."""
    wu = (w * u).sum(axis=-1, keepdims=True)
    m = softplus(wu) - 1.0
    return u + (m - wu) / (w * w).sum(axis=-1, keepdims=True) * w, m


def bend(z, a, u_hat, m):
    """f(z) (..., Z), and its determinant (..., 1), where a (..., 1) is known."""
    h = tanh(a)
    return z + h * u_hat, 1.0 + (1.0 - h * h) * m  # h' = 1 - h^2
