"""DDPM: its two algorithms against the paper's lines written out, and a process whose best network is known."""
import math
from functools import partial

import numpy as np
import pytest

from autograd import Tensor, backend, grad, parameter
from autograd.backend import to_numpy
from minigen import data
from minigen.data import Space
from minigen.diffusion import (
    ancestral,
    ancestral_tilde,
    bits_per_dim,
    cosine_schedule,
    ddim,
    denoiser,
    dpm_pp,
    linear_schedule,
)
from minigen.diffusion.captured import philox
from minigen.diffusion.captured.loop import TrainingLoop
from minigen.models.diffusion import DDPM, ddpm
from minigen.nn import Module, UNet
from minigen.optim import Adam, adam, cosine_decay, linear_warmup
from minigen.train import Run, one_stage, train

DIGITS = Space((1, 8, 8), 17)


def build(schedule=None, **arguments):
    """A small model of 8x8 images with 17 levels; its network's last layer is drawn, as it would start as 0."""
    network = UNet(1, width=8, multipliers=(1, 2), blocks=1, groups=4, rng=backend.rng(0))
    rng = backend.rng(1)
    for p in network.parameters():
        if not p.data.any():
            p.data[...] = 0.05 * backend.normal(rng, p.shape)
    return DDPM(network, schedule or linear_schedule(20), DIGITS, **arguments)


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
    assert model.loss({"x": x}, backend.rng(3))["L_simple"].item() == pytest.approx(expected, rel=1e-5)


def test_an_untrained_network_says_nothing():
    """The last layer starts as 0, so the loss starts as E |eps|^2 = 1 per pixel."""
    model = DDPM(UNet(1, width=8, groups=4, rng=backend.rng(0)), linear_schedule(20), DIGITS)
    assert model.loss({"x": images(200)}, backend.rng(0))["L_simple"].item() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("schedule", [linear_schedule(20), cosine_schedule(20)], ids=repr)
def test_algorithm_2_is_the_ancestral_sampler(schedule):
    model = build(schedule)
    x_0 = to_numpy(model.generate(6, backend.rng(4)))
    rng = backend.rng(4)
    x_T = backend.normal(rng, (6, 1, 8, 8))
    expected = to_numpy(ancestral(denoiser(model.network, "eps"), x_T, schedule.levels(), rng=rng))
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
    rng, model = backend.rng(5), DDPM(PixelwiseLinear(50), linear_schedule(50), Space((1, 1, 1), LEVELS))
    optimizer = Adam(model.network.parameters(), lambda done: 0.05 / (1 + 15 * done))
    for step in range(1500):
        x = pixels(2000, rng)
        loss = model.loss({"x": x}, rng)["L_simple"]
        optimizer.step(grad(loss, optimizer.params), done=step / 1500)
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
    bits = bits_per_dim(denoiser(trained.network), trained.space.signed(x), schedule, LEVELS, rng)
    assert bits.mean() == pytest.approx(expected, abs=0.05) and expected > truth + 0.1


@pytest.mark.parametrize("arguments", [{}, {"steps": 7}, {"sampler": dpm_pp}, {"sampler": partial(ddim, eta=0.5)}])
def test_samples_are_images(monkeypatch, arguments):
    monkeypatch.setattr(ddpm, "CHUNK", 4)
    x = build(**arguments).sample(10, backend.rng(8))
    assert x.shape == (10, 1, 8, 8) and x.dtype == np.float32 and 0 <= x.min() < x.max() <= 1
    assert len(np.unique(x.reshape(10, -1), axis=0)) == 10  # no two the same, also across chunks


def test_a_model_draws_by_its_sampler_and_steps():
    model = build(sampler=ancestral_tilde, steps=6)
    rng = backend.rng(8)
    x_T = backend.normal(rng, (5, 1, 8, 8))
    expected = ancestral_tilde(model.denoise, x_T, model.schedule.levels(6), rng=rng)
    np.testing.assert_array_equal(model.sample(5, backend.rng(8)), model.space.from_signed(expected))
    assert model.sample(0, backend.rng(8)).shape == (0, 1, 8, 8)


def test_measure_reports_the_bound():
    bits, nats = build().measure({"x": images(30)}, backend.rng(9))
    assert bits.unit == "bits/dim" and bits.half_width > 0 and "N = 30, T = 20" in bits.detail
    assert nats.value == pytest.approx(bits.value * 64 * math.log(2))


def test_measuring_leaves_the_model_as_it_was():
    model = build()
    before = model.state_dict()
    model.measure({"x": images(10)}, backend.rng(0))
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


# The captured step and the captured sampler: CUDA graphs on a GPU, and the same functions here


RATE = linear_warmup(cosine_decay(1e-2), 0.3)


def plan(steps=6):
    model = build()
    return one_stage(model, adam(RATE), steps, batch_size=5, ema=(model.network, 0.9), clip=0.5,
                     captured=model.captured_step)


def captured_run(seed=10):
    return Run(plan(), data.load("digits").first(30), rng=backend.rng(seed), captured=True)


def test_a_captured_run_is_the_training_loop():
    """Step by step, bit for bit: the run hands over batches, learning rates and a seed, and adds nothing."""
    run, model, rng = captured_run(), build(), backend.rng(10)
    digits = data.load("digits").first(30)
    batches, optimizer = digits.batches(5, rng), Adam(model.network.parameters(), RATE)
    loop = TrainingLoop(model.network, model.schedule, optimizer, (5, 1, 8, 8), seed=int(rng.integers(2**63)), clip=0.5)
    for step in range(6):
        x_0 = model.space.signed(next(batches)["x"])
        assert run.advance() == {"L_simple": loop(x_0, step / 6).item()}
    assert run.over and run.optimizers["ddpm"].steps == 6
    for p, q in zip(run.model.parameters(), model.parameters()):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
    averaged = run.ema.state_dict()["average.stem.weight"]
    assert np.abs(averaged - model.network.stem.weight.numpy()).max() > 0  # the average follows: it is another


def test_only_a_gpu_is_captured_unasked():
    run = Run(plan(), data.load("digits").first(30), rng=backend.rng(10))
    assert (run.replay is None) == (backend.device() == "cpu")


@pytest.mark.parametrize("cut", [1, 4])
def test_a_captured_run_is_resumed_bit_for_bit(cut, tmp_path):
    whole = train(captured_run())
    first = captured_run()
    for _ in range(cut):
        first.advance()
    first.save(tmp_path / "run.safetensors", {})
    second = captured_run(seed=11)  # all that it draws from comes out of the checkpoint, the seed of the noise too
    second.restore(tmp_path / "run.safetensors")
    train(second)
    for one, other in zip(whole.model.parameters(), second.model.parameters()):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    for name, array in whole.ema.state_dict().items():
        np.testing.assert_array_equal(array, second.ema.state_dict()[name])


def test_a_captured_run_learns():
    """The loss, of an image that is always the same, falls."""
    digits = data.load("digits").first(1)
    dataset = data.Dataset("one", "train", {"x": digits["x"].repeat(20, axis=0)}, {"x": DIGITS}, "one digit")
    model = build()
    stages = one_stage(model, adam(1e-2), steps=60, batch_size=20, captured=model.captured_step)
    run = Run(stages, dataset, rng=backend.rng(0), captured=True)
    losses = [run.advance()["L_simple"] for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:5])


class PhiloxGenerator:
    """What a sampler draws from, one step of Philox after the other."""

    def __init__(self, seed):
        self.seed, self.step = seed, -1

    def standard_normal(self, shape, dtype):
        self.step += 1
        return philox.normals(self.seed, self.step, shape, dtype)


@pytest.mark.parametrize("sampler, steps", [(ancestral, None), (ancestral_tilde, 7), (ddim, 7)])
def test_drawing_by_graph_is_the_sampler_with_other_noise(sampler, steps):
    model, seed = build(sampler=sampler, steps=steps), int(backend.rng(11).integers(2**63))
    drawn = to_numpy(model._draw_by_graph(5, backend.rng(11)))
    expected = to_numpy(model._draw_by_steps(5, PhiloxGenerator(seed)))
    np.testing.assert_allclose(drawn, expected, atol=1e-3)
    again = to_numpy(model._draw_by_graph(5, backend.rng(12)))
    assert np.abs(drawn - again).max() > 0.1


def test_what_no_graph_can_do_is_done_step_by_step():
    for model in build(sampler=dpm_pp, steps=5), build(sampler=partial(ddim, eta=0.5), steps=5):
        by_graph, by_steps = model._draw_by_graph(3, backend.rng(1)), model._draw_by_steps(3, backend.rng(1))
        np.testing.assert_array_equal(to_numpy(by_graph), to_numpy(by_steps))
    assert len(build()._draw_by_graph(0, backend.rng(1))) == 0


@pytest.mark.parametrize("call, message", [
    (lambda: DDPM(None, linear_schedule(20), Space((2,))), "takes images, e.g. digits"),
    (lambda: build(steps=21), "steps is 21, expected 1 to T = 20"),
    (lambda: build().loss({"x": images(3)[:, :, :7]}, None), "x has shape (3, 1, 7, 8), expected (N, 1, 8, 8)"),
    (lambda: build().loss({"x": images(3) / 16}, None), "x has dtype float64, expected integers from 0 to 16"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)
