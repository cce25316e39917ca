"""The bound of k draws against a log p(x) that is known, its gradient written out, and what three mistakes make of it."""
import math

import numpy as np
import pytest
import scipy.stats

from autograd import exp, grad, logsumexp, no_grad
from autograd.backend import rng
from minigen.data import Space
from minigen.models.autoencoders import IWAE, iwae
from minigen.models.autoencoders.iwae import later
from minigen.optim import Adam, cosine_decay

BITS, POINTS = Space((1, 2, 2), 2), Space((6,))


def linear(k, cls=IWAE, seed=0):
    """A linear decoder, log p(x) = log N(b, W W^T + I), and an encoder that is off the posterior, but wide enough."""
    model = cls(POINTS, "gaussian", latent=2, hidden=(), k=k, rng=rng(seed))
    for p in model.encoder.parameters():
        p.data[...] = 0
    return model


def log_p(model, x):
    W, b = (np.float64(a.numpy()) for a in model.decoder.parameters())
    s2 = math.exp(model.likelihood.logvar.item())
    return scipy.stats.multivariate_normal(b, W @ W.T + s2 * np.eye(len(b))).logpdf(x)


def mean_loss(model, x, times):
    """The bound that is trained on, in nats, and four standard errors of it."""
    noise = rng(3)
    with no_grad():
        losses = [-next(iter(model.loss({"x": x}, noise).values())).item() for _ in range(times)]
    return np.mean(losses), 4 * np.std(losses) / math.sqrt(times)


def check_that_the_bound_rises_to_log_p(cls):
    model = linear(1, cls)
    x = model.sample(100, rng(1))
    exact, below = log_p(model, x).mean(), -math.inf
    for k, times in (1, 200), (3, 100), (30, 50), (3000, 4):
        model.k = k
        bound, error = mean_loss(model, x, times)
        assert below + 0.01 < bound + error and bound < exact + error + 1e-3, (k, below, bound, exact)
        below = bound
    assert below > exact - 0.01


class MeanOfLogarithms(IWAE):
    """The mean in the place of the logarithm of the mean: the ELBO of k draws."""

    def loss(self, batch, rng):
        return {"loss": -self.log_weights(batch["x"], self.k, rng).mean()}


class OverExamples(IWAE):
    """The sum of the weights runs over the examples, and not over the draws of each."""

    def loss(self, batch, rng):
        log_w = self.log_weights(batch["x"], self.k, rng)
        return {"loss": -(logsumexp(log_w, axis=0) - math.log(len(log_w))).mean()}


class WithoutLogK(IWAE):
    def loss(self, batch, rng):
        return {"loss": super().loss(batch, rng)["-L_k"] - math.log(self.k)}


def test_the_bound_rises_to_log_p():
    check_that_the_bound_rises_to_log_p(IWAE)


@pytest.mark.parametrize("broken", [MeanOfLogarithms, OverExamples, WithoutLogK])
def test_broken_bounds_are_noticed(broken):
    with pytest.raises(AssertionError):
        check_that_the_bound_rises_to_log_p(broken)


def check_gradient(choose, monkeypatch):
    """Eqs. 13 and 14: the gradients of log w_i, times w~_i, summed: by the one that is chosen and by all,
    for 100 copies of four images, forty times. The means agree to four and a half standard errors."""
    monkeypatch.setattr(iwae, "chosen", choose)
    x = np.tile(np.arange(16, dtype=np.uint8).reshape(4, 1, 2, 2) % 3 % 2, (100, 1, 1, 1))
    model, k = IWAE(BITS, latent=2, hidden=(5,), k=4, rng=rng(0)), 4
    model.encoder[-1].bias.data[2:] += 2.0  # wide, so that the weights differ
    params, by_one, by_all = model.parameters(), [], []
    for seed in range(40):
        by_one.append(flat(grad(-model.loss({"x": x}, rng(seed))["-L_k"], params)))
        log_w = model.log_weights(x, k, rng(100 + seed))
        share = exp(log_w - logsumexp(log_w, axis=1)[:, None]).detach()  # w~
        by_all.append(flat(grad((share * log_w).sum(axis=1).mean(), params)))
        whole = flat(grad(logsumexp(model.log_weights(x, k, rng(100 + seed)), axis=1).mean(), params))
        np.testing.assert_allclose(by_all[-1], whole, atol=1e-4)  # eq. 14 is what autograd makes of eq. 8
    a, b = np.array(by_one), np.array(by_all)
    error = np.sqrt((a.var(axis=0) + b.var(axis=0)) / len(a))
    assert np.all(np.abs(a.mean(axis=0) - b.mean(axis=0)) < 4.5 * error + 1e-6)


def flat(gradients):
    return np.concatenate([g.numpy().reshape(-1) for g in gradients])


def pick(i_of):
    return lambda eps, log_w, rng: eps[np.arange(len(eps)), i_of(log_w.numpy(), rng)][:, None]


def test_the_gradient_is_that_of_the_paper(monkeypatch):
    check_gradient(iwae.chosen, monkeypatch)


@pytest.mark.parametrize("broken", [
    pick(lambda log_w, rng: rng.integers(log_w.shape[1], size=len(log_w))),  # any: the gradient of the ELBO
    pick(lambda log_w, rng: log_w.argmax(axis=1)),  # the largest
])
def test_draws_chosen_by_other_weights_are_noticed(broken, monkeypatch):
    with pytest.raises(AssertionError):
        check_gradient(broken, monkeypatch)


def test_more_draws_later():
    model = linear(later(5, 0.5))
    x = rng(0).standard_normal((9, 6)).astype(np.float32)
    values = []
    for model.done in (0.0, 0.4, 0.5, 1.0):
        terms = model.loss({"x": x}, rng(1))
        values.append(terms["-ELBO"].item() - terms["-L_k"].item())
    assert values[:2] == [0, 0] and values[2] == values[3] > 0.1


def test_one_draw_is_the_elbo():
    terms = linear(1).loss({"x": rng(0).standard_normal((9, 6)).astype(np.float32)}, rng(1))
    assert terms["-L_k"].item() == terms["-ELBO"].item()


def test_trained_it_reaches_probabilistic_pca():
    """The best N(b, W W^T + s2 I) for the data has a closed form: Tipping & Bishop 1999, eqs. 7 and 8."""
    W = np.random.default_rng(7).standard_normal((2, 6))
    x = np.float32(rng(1).standard_normal((200, 2)) @ W + 0.5 * rng(2).standard_normal((200, 6)))
    values = np.linalg.eigvalsh(np.cov(np.float64(x).T, bias=True))[::-1]
    best = -0.5 * (6 * math.log(2 * math.pi) + np.log(values[:2]).sum() + 4 * math.log(values[2:].mean()) + 6)
    model, noise, steps = IWAE(POINTS, "gaussian", 2, (), k=5, rng=rng(0)), rng(4), 700
    optimizer = Adam(model.parameters(), cosine_decay(0.05))
    for step in range(steps):
        optimizer.step(grad(model.loss({"x": x}, noise)["-L_k"], optimizer.params), done=step / steps)
    of_50 = -model.measure({"x": x}, rng(5), k=50)[1].value
    assert best - 0.02 < of_50 < log_p(model, x).mean() + 0.002 < best + 0.004


def test_bad_arguments():
    with pytest.raises(ValueError, match="IWAE: k is 0, expected at least 1 draw"):
        IWAE(BITS, k=0, rng=rng(0))
    with pytest.raises(ValueError, match="IWAE: decoder 'bernoulli' is for gray levels"):
        IWAE(Space((2,)), rng=rng(0))
    with pytest.raises(ValueError, match="x holds values from 2 to 2, expected 0 to 1"):
        IWAE(BITS, latent=1, hidden=(4,), rng=rng(0)).loss({"x": np.full((3, 1, 2, 2), 2, np.uint8)}, rng(0))
