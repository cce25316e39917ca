"""A posterior that flows, on a linear-Gaussian model: the true posterior is correlated, so that no diagonal one fits."""
import math
from functools import partial

import numpy as np
import pytest
import scipy.stats

from autograd import grad, no_grad
from autograd.backend import rng
from minigen.data import Space
from minigen.flows.posterior import IAF, Planar
from minigen.models.autoencoders import VAE, FlowVAE
from minigen.optim import Adam, cosine_decay

POINTS, BITS = Space((3,)), Space((1, 2, 2), 2)
W = np.array([[2.0, 1.5], [1.0, 1.5], [0.5, -0.5]])  # x = W z + eps: columns far from right angles
FLOWS = {"planar": partial(Planar, K=3), "iaf": partial(IAF, steps=2, hidden=(16,))}


def say(model):
    """The model with W in its decoder."""
    model.decoder[0].weight.data[...], model.decoder[0].bias.data[...] = W, 0
    return model


def linear(flow, cls=FlowVAE):
    return say(cls(POINTS, FLOWS[flow], "gaussian", latent=2, hidden=(), context=2, rng=rng(0)))


def log_p(x):
    return scipy.stats.multivariate_normal(np.zeros(3), W @ W.T + np.eye(3)).logpdf(x)


def check_bounds(model):
    """E_q[w] = p(x), for any q: the bound of many draws is log p(x), that of few and the ELBO are below."""
    model.encoder[0].weight.data[...] *= 0.1
    model.encoder[0].bias.data[2:4] += 2.0  # wide: a narrow q misses what x says
    x = model.sample(60, rng(1))
    elbo, of_5 = (-m.value for m in model.measure({"x": x}, rng(2), k=5)[:2])
    of_many = -model.measure({"x": x}, rng(3), k=20_000)[1].value
    assert elbo + 0.05 < of_5 < of_many and of_many == pytest.approx(log_p(x).mean(), abs=0.02)


class WithoutDeterminant(FlowVAE):
    """ln q(z_0 | x) is taken for ln q(z | x)."""

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        forward = self.flow.forward
        self.flow.forward = lambda z, h: (forward(z, h)[0], 0.0 * forward(z, h)[1])


class PriorOfStart(FlowVAE):
    """The prior is asked at z_0, where the decoder is given z_T."""

    def infer(self, seen, eps):
        return super().infer(seen, eps)[0], VAE.infer(_Gaussian(self), seen, eps)[1]


class _Gaussian:
    def __init__(self, model):
        self.latent, self.posterior = model.latent, lambda seen: model.posterior(seen)[:2]


@pytest.mark.parametrize("flow", FLOWS)
def test_bounds_of_a_flowing_posterior(flow):
    check_bounds(linear(flow))


@pytest.mark.parametrize("broken", [WithoutDeterminant, PriorOfStart])
def test_broken_posteriors_are_noticed(broken):
    with pytest.raises(AssertionError):
        check_bounds(linear("iaf", broken))


def gap_of(model, steps, lr):
    """log p(x) - ELBO, nats, of the model whose encoder alone is trained."""
    x = np.float32(rng(1).standard_normal((200, 2)) @ W.T + rng(2).standard_normal((200, 3)))
    params = [p for name, p in model.named_parameters() if name.split(".")[0] in ("encoder", "flow")]
    optimizer, noise = Adam(params, cosine_decay(lr)), rng(3)
    for step in range(steps):
        optimizer.step(grad(model.loss({"x": x}, noise)["-ELBO"], params), done=step / steps)
    return log_p(x).mean() + model.measure({"x": x}, rng(4), k=200)[0].value


def test_the_gap_that_a_gaussian_leaves_is_closed():
    """The least KL of a diagonal Gaussian to one of precision P is 1/2 (sum_i log P_ii - log |P|); P = I + W^T W."""
    P = np.eye(2) + W.T @ W
    least = 0.5 * (np.log(np.diag(P)).sum() - np.linalg.slogdet(P)[1])
    diagonal = gap_of(say(VAE(POINTS, "gaussian", latent=2, hidden=(), rng=rng(0))), 500, 0.1)
    assert least > 0.3 and diagonal == pytest.approx(least, abs=0.03)
    assert gap_of(linear("iaf"), 400, 0.03) < 0.15 * least


@pytest.mark.parametrize("flow", FLOWS)
def test_every_parameter_is_trained_and_codes_are_carried(flow):
    model = FlowVAE(BITS, FLOWS[flow], latent=3, hidden=(8,), context=2, rng=rng(0))
    x = np.eye(4, dtype=np.uint8).reshape(4, 1, 2, 2)
    terms = model.loss({"x": x}, rng(1))
    assert terms["-ELBO"].item() == pytest.approx(terms["reconstruction"].item() + terms["KL"].item(), rel=1e-5)
    assert all(np.any(g.numpy()) for g in grad(terms["-ELBO"], model.parameters()))
    with no_grad():
        z, _ = model.infer(BITS.rows(x), np.zeros((4, 1, 3), np.float32))
    np.testing.assert_allclose(model.encode(x), z.numpy()[:, 0], atol=1e-6)
    assert model.reconstruct(x).shape == (4, 1, 2, 2) and math.isfinite(model.measure({"x": x}, rng(0))[0].value)


def test_bad_arguments():
    with pytest.raises(ValueError, match="FlowVAE: context is 0, expected at least 1 number"):
        FlowVAE(BITS, FLOWS["iaf"], context=0, rng=rng(0))
