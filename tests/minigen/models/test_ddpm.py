"""DDPM: its two algorithms against the paper's lines written out, and a process whose best network is known."""
import math
from functools import partial

import numpy as np
import pytest

from autograd import Tensor, backend, grad, parameter
from autograd.backend import to_numpy
from minigen.diffusion import Schedule, ancestral, bits_per_dim, cosine, ddim, denoiser, linear
from minigen.metrics import Figure
from minigen.models.diffusion import DDPM, ddpm
from minigen.nn import Module, UNet
from minigen.optim import Adam


def build(schedule=None, **arguments):
    """A small model of 8x8 images with 17 levels; its network's last layer is drawn, as it would start as 0."""
    network = UNet(1, width=8, multipliers=(1, 2), blocks=1, groups=4, rng=backend.rng(0))
    rng = backend.rng(1)
    for p in network.parameters():
        if not p.data.any():
            p.data[...] = 0.05 * backend.normal(rng, p.shape)
    return DDPM(network, schedule or linear(20), (1, 8, 8), 17, **arguments)


def images(n, seed=2):
    return backend.rng(seed).integers(0, 17, (n, 1, 8, 8)).astype(np.uint8)


def test_algorithm_1_line_by_line():
    model, x = build(), images(5)
    rng = backend.rng(3)
    t = rng.integers(1, 21, size=5)
    eps = rng.standard_normal(x.shape, dtype=np.float32)
    beta = np.linspace(1e-4, 0.02, 20) * 50  # the thousand steps' noise in twenty
    alpha_bar = np.cumprod(1 - beta)[t - 1].reshape(5, 1, 1, 1)
    x_t = np.float32(np.sqrt(alpha_bar) * (x / 8 - 1) + np.sqrt(1 - alpha_bar) * eps)
    expected = ((eps - model.network(Tensor(x_t), t).numpy()) ** 2).mean()
    assert model.loss((x, None), backend.rng(3))["L_simple"].item() == pytest.approx(expected, rel=1e-5)


def test_an_untrained_network_says_nothing():
    """The last layer starts as 0, so the loss starts as E |eps|^2 = 1 per pixel."""
    model = DDPM(UNet(1, width=8, groups=4, rng=backend.rng(0)), linear(20), (1, 8, 8), 17)
    assert model.loss((images(200), None), backend.rng(0))["L_simple"].item() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("schedule", [linear(20), cosine(20)], ids=repr)
def test_algorithm_2_is_the_ancestral_sampler(schedule):
    model = build(schedule)
    x_0 = to_numpy(model.generate(6, backend.rng(4)))
    rng = backend.rng(4)
    x_T = backend.normal(rng, (6, 1, 8, 8))
    expected = to_numpy(ancestral(denoiser(model.network, schedule, "eps"), x_T, schedule, rng=rng))
    np.testing.assert_allclose(x_0, expected, rtol=1e-3, atol=2e-3 * np.abs(expected).max())


class PixelwiseLinear(Module):
    """eps(x_t, t) = w_t x_t + b_t: all that is needed for Gaussian data."""

    def __init__(self, T):
        self.w, self.b = parameter(np.zeros(T + 1)), parameter(np.zeros(T + 1))

    def forward(self, x_t, t):
        return self.w[t].reshape(-1, 1, 1, 1) * x_t + self.b[t].reshape(-1, 1, 1, 1)


MU, SIGMA, LEVELS = 0.1, 0.3, 256


@pytest.fixture(scope="module")
def trained():
    """A DDPM of one Gaussian pixel, trained until its network is near the best: w_t = s / (a^2 SIGMA^2 + s^2)."""
    rng, model = backend.rng(5), DDPM(PixelwiseLinear(50), linear(50), (1, 1, 1), LEVELS)
    step_size = lambda step: 0.05 / (1 + step / 100)
    optimizer = Adam(model.network.parameters(), step_size)
    for _ in range(1500):
        x = pixels(2000, rng)
        loss = model.loss((x, None), rng)["L_simple"]
        optimizer.step(grad(loss, optimizer.params))
    return model


def pixels(n, rng):
    c = MU + SIGMA * rng.standard_normal((n, 1, 1, 1))
    return np.clip(np.round((c + 1) / 2 * (LEVELS - 1)), 0, LEVELS - 1).astype(np.uint8)


def test_training_finds_the_best_network(trained):
    a2 = trained.schedule.alpha_bar[1:]
    w = np.sqrt(1 - a2) / (a2 * SIGMA**2 + 1 - a2)
    np.testing.assert_allclose(trained.network.w.numpy()[1:], w, rtol=0.05)
    np.testing.assert_allclose(trained.network.b.numpy()[1:], -w * np.sqrt(a2) * MU, atol=0.05)


def test_samples_have_the_moments_of_the_reverse_process(trained):
    """Mean and variance carried through the T steps of eq. 11; 50 steps with variance beta end 12 % too wide."""
    schedule, mean, variance = trained.schedule, 0.0, 1.0
    w, b = trained.network.w.numpy(), trained.network.b.numpy()
    for t in range(50, 0, -1):
        alpha, pull = schedule.alpha[t], schedule.beta[t] / np.sqrt(1 - schedule.alpha_bar[t])
        mean = (mean - pull * (w[t] * mean + b[t])) / np.sqrt(alpha)
        variance *= (1 - pull * w[t]) ** 2 / alpha
        variance += schedule.beta[t] if t > 1 else 0.0
    x = 2 * trained.sample(20_000, backend.rng(6)) - 1
    assert x.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / 20_000))
    assert x.var() == pytest.approx(variance, rel=0.04)
    assert mean == pytest.approx(MU, abs=0.02) and np.sqrt(variance) == pytest.approx(SIGMA, rel=0.1)


def test_bound_is_above_the_truth_by_what_it_must_be(trained):
    """For beta in place of the exact variance r_t, each of the T terms costs (r / beta - 1 - log(r / beta)) / 2."""
    schedule, rng = trained.schedule, backend.rng(7)
    x = pixels(20_000, rng)
    truth = np.log(SIGMA * math.sqrt(2 * math.pi * math.e) * (LEVELS - 1) / 2) / math.log(2)  # entropy of the levels
    c_0, _, beta_tilde = schedule.posterior(np.arange(1, 51))
    noise = 1 - schedule.alpha_bar[1:]
    r = c_0**2 * SIGMA**2 * noise / (schedule.alpha_bar[1:] * SIGMA**2 + noise) + beta_tilde
    ratio = r / schedule.beta[1:]
    expected = truth + 0.5 * (ratio - 1 - np.log(ratio)).sum() / math.log(2)
    bits = bits_per_dim(denoiser(trained.network, schedule), trained.signed(x), schedule, LEVELS, rng)
    assert bits.mean() == pytest.approx(expected, abs=0.05) and expected > truth + 0.1


@pytest.mark.parametrize("sampler", [None, ancestral, partial(ddim, steps=7)], ids=str)
def test_samples_are_images(monkeypatch, sampler):
    monkeypatch.setattr(ddpm, "CHUNK", 4)
    x = build(sampler=sampler).sample(10, backend.rng(8))
    assert x.shape == (10, 1, 8, 8) and x.dtype == np.float32 and 0 <= x.min() < x.max() <= 1
    assert len(np.unique(x.reshape(10, -1), axis=0)) == 10  # no two the same, also across chunks


def test_evaluate_reports_the_bound_and_what_the_judge_says():
    seen = []

    def judge(samples, real):
        seen.extend([samples, real])
        return [Figure("verdict", 1.0)]

    bits, nats, verdict = build(sampler=ddim, judge=judge).evaluate(images(30), None, backend.rng(9))
    assert bits.unit == "bits/dim" and bits.half_width > 0 and "N = 30, T = 20" in bits.note
    assert nats.value == pytest.approx(bits.value * 64 * math.log(2))
    assert verdict.name == "verdict" and seen[0].shape == (30, 1, 8, 8)
    np.testing.assert_allclose(seen[1], images(30) / 16, rtol=1e-6)


def test_evaluation_leaves_the_model_as_it_was():
    model = build(judge=lambda samples, real: [])
    before = model.state_dict()
    model.evaluate(images(10), None, backend.rng(0))
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("call, message", [
    (lambda: DDPM(None, linear(20), (2,), None), "takes images, e.g. digits"),
    (lambda: build(sampler=partial(ddim, steps=21)).sample(2, backend.rng(0)), "steps is 21, expected 1 to T = 20"),
    (lambda: build().loss((images(3)[:, :, :7], None), backend.rng(0)), "x has shape (3, 1, 7, 8), expected ('N', 1"),
    (lambda: build().denoise(np.zeros((2, 1, 8, 8), np.float32), np.array([0, 1])), "expected 1 to T = 20"),
    (lambda: Schedule([0.1, 2.0]), "below 1"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)
