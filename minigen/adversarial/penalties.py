"""Penalties: terms that hold the slope of a critic or discriminator.

The gradient that they contain is differentiated again: `create_graph=True` records the sweep that computes it, through
convolutions and all, as a graph of its own. Read before this: autograd/tensor.py (grad).
Read next: models/adversarial/wgan_gp.py.
"""
from autograd import grad, parameter, sqrt


def gradient_penalty(f, x_hat):
    """E[(|grad f(x_hat)| - 1)^2] for points or images x_hat (N, ...), an array; differentiable in f's parameters.

    f must treat every x_hat on its own: then the gradient of the sum is each one's own gradient. Gulrajani et al. 2017,
    eq. 3.
    """
    x_hat = parameter(x_hat)
    slope = grad(f(x_hat).sum(), x_hat, create_graph=True).reshape(len(x_hat), -1)  # (N, D)
    norm = sqrt((slope * slope).sum(axis=1) + 1e-12)  # where the slope is 0 the root alone has no gradient
    return ((norm - 1.0) ** 2).mean()
