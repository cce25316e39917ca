"""Penalties: terms that hold the slope of a critic or discriminator.

The gradient that they contain is differentiated again: `create_graph=True` records the sweep that computes it, through
convolutions and all, as a graph of its own. Read before this: autograd/tensor.py (grad).
Read next: models/adversarial/wgan_gp.py.
"""
from autograd import grad, parameter, sqrt
from autograd.backend import normal


def gradient_penalty(f, x_hat):
    """E[(|grad f(x_hat)| - 1)^2] for points or images x_hat (N, ...), an array; differentiable in f's parameters.

    f must treat every x_hat on its own: then the gradient of the sum is each one's own gradient. Gulrajani et al. 2017,
    eq. 3.
    """
    x_hat = parameter(x_hat)
    slope = grad(f(x_hat).sum(), x_hat, create_graph=True).reshape(len(x_hat), -1)  # (N, D)
    norm = sqrt((slope * slope).sum(axis=1) + 1e-12)  # where the slope is 0 the root alone has no gradient
    return ((norm - 1.0) ** 2).mean()


def r1(f, x):
    """E[|grad f(x)|^2] at examples x (N, ...), an array; differentiable in f's parameters. Half of it times gamma is
    added to D's loss, at data and not at samples: Mescheder, Geiger & Nowozin 2018, eq. 9."""
    x = parameter(x)
    slope = grad(f(x).sum(), x, create_graph=True)
    return (slope * slope).sum() / len(x)


def path_lengths(x, w, rng):
    """|J^T y| (N,) of images x (N, C, H, W), a function of styles w (N, L, W): how far an image moves when its style
    does, in a random direction y / sqrt(H W), y ~ N(0, I), the mean square over the L layers; differentiable. Karras et
    al. 2020 (StyleGAN2), eq. 4: G is asked that it be the same everywhere, so that a step in W means as much here as
    there."""
    y = normal(rng, x.shape) / (x.shape[2] * x.shape[3]) ** 0.5
    slope = grad((x * y).sum(), w, create_graph=True)
    return sqrt((slope * slope).sum(axis=2).mean(axis=1) + 1e-12)
