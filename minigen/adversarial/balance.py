"""An adversarial term beside a reconstruction: how much it may weigh, from what both would do to the last layer.

    L = L_rec + w lambda L_GAN,    lambda = |grad_W L_rec| / (|grad_W L_GAN| + 1e-6)        W: weights of the last layer

The logits of a discriminator have no unit, and the slope of its loss changes as it learns. With lambda both terms pull
equally hard on W, and w < 1 leaves the reconstruction the stronger one. lambda is a number: no gradient passes through
it. Where the discriminator's loss is flat lambda is huge, and multiplies noise: so it has a largest value.

lambda needs the gradients of both terms apart; but a sweep frees the graph that it passes, and to keep the graph, and
sweep it again for the sum, would cost twice. All of L depends on the decoder through its images alone, so the graph is
cut there: each term is computed from x_hat as a leaf and swept once, down to x_hat (`cut`). From there it is but one
layer to W; and the sum goes on with the gradient that is known (`with_gradient`).

Source: Esser, Rombach & Ommer, "Taming Transformers for High-Resolution Image Synthesis", CVPR 2021, eq. 7.
Symbols: x_hat images (N, C, H, W), g gradients in respect of them. Read before this: autograd/sweep.py (grad).
Read next: models/codes/vqgan.py.
"""
from autograd import grad, parameter, record
from autograd.backend import xp
from autograd.batch import mean_of_means

EPS = 1e-6


def cut(f, x_hat):
    """(f(x_hat), a scalar Tensor without a graph; its gradient in x_hat, a Tensor of that shape)."""
    leaf = parameter(x_hat.data)
    value = f(leaf)
    return value.detach(), grad(value, leaf)


def with_gradient(value, x_hat, g):
    """A scalar of this value, whose gradient in x_hat is g."""
    return record(value.data, (x_hat, lambda scale: scale * g))


def adaptive_weight(x_hat, W, g_rec, g_gan, most=float("inf")) -> float:
    """lambda (eq. 7), at most `most`. x_hat must come from a layer with weights W; its graph survives."""
    rec, gan = (_norm(grad(x_hat, W, grad_outputs=g, create_graph=True)) for g in (g_rec, g_gan))
    return min(most, rec / (gan + EPS))


def _norm(g) -> float:
    return float(xp.sqrt((mean_of_means(g.data).astype(xp.float64) ** 2).sum()))
