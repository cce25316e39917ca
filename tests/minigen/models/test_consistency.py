"""Consistency models: on a line the function that one is to learn is known, the flow of a mixture to its last level. It
is where the loss has its minimum, it draws the mixture in any number of steps, and what breaks either is noticed."""
import math

import numpy as np
import pytest

from autograd import Tensor, backend, grad, mse_loss
from autograd.backend import asarray, normal, to_numpy, xp
from minigen.data import Space
from minigen.diffusion import CLEAN, Mixture, cosine_schedule, ddim, straight_levels
from minigen.models.diffusion import Consistency
from minigen.nn import Frozen, Module, TimedMLP
from minigen.optim import Adam, cosine_decay

P, LINE = Mixture([0.3, 0.7], [[-0.8], [0.6]], 0.2), Space((1,))
LEVELS = cosine_schedule(1000).levels(18)


class Teacher(Module):
    """The mixture's own denoiser, of levels that are columns too."""

    space = LINE

    def denoise(self, x_t, level):
        if np.ndim(level.t) == 0:
            return P.denoise(x_t, level)
        rows = [P.denoise(x_t[i : i + 1], type(level)(*(float(np.ravel(number)[i]) for number in level)))
                for i in range(len(x_t))]
        return xp.concatenate(rows)


def build(model=Consistency, levels=LEVELS, hidden=(32, 32), **settings):
    network, target = (TimedMLP(1, hidden, rng=backend.rng(seed)) for seed in (0, 1))
    return model(network, target, Frozen(Teacher()), levels, **{"sd": 0.7, "steps": 1, **settings})


def exactly(model):
    """The model, but its f is the flow from each x_t to the last level."""

    def f(network, x, level):
        data, t = asarray(x.data if isinstance(x, Tensor) else x), np.broadcast_to(np.ravel(level.t), len(x))
        out, last = np.zeros(data.shape), model.levels[-1]
        for each in model.levels:
            rows = np.flatnonzero(t == each.t)
            out[rows] = to_numpy(P.flow(data[rows], each, last)) / last.a
        return Tensor(asarray(out, data.dtype))

    model.f = f
    return model


def means(model):
    """What a model says that knows of no path: E[x_0 | x_t]."""
    model.f = lambda network, x, level: Tensor(model.teacher.denoise(x.data if isinstance(x, Tensor) else x, level))
    return model


def loss(model, n=300):
    return model.loss({"x": np.float32(P.draw(n, backend.rng(2))[0])}, backend.rng(3))["loss"].item()


@pytest.mark.parametrize("level", [0, 5, 17])
def test_the_boundary_condition(level):
    """At the least noise f(x) = x / a, whatever the network says; above it the network counts."""
    model, x = build(), asarray(backend.rng(1).standard_normal((6, 1)))
    said = []
    for shift in (0.0, 1.0):
        said.append(model.f(lambda x, t, shift=shift: 0.0 * x + shift, x, model.levels[level]).numpy())
    assert (level == 17) == np.array_equal(*said)
    if level == 17:
        np.testing.assert_allclose(said[0], to_numpy(x) / model.levels[-1].a, rtol=1e-12)


def test_the_flow_is_where_the_loss_is_least():
    """0 but for the teacher's steps, whose errors fall with their number; the mean of x_0 given x_t is far from it."""
    found = [loss(exactly(build(levels=cosine_schedule(1000).levels(steps)))) for steps in (10, 40)]
    assert found[1] < 1e-5 and found[1] < found[0] / 10
    assert loss(means(build(levels=cosine_schedule(1000).levels(40)))) > 100 * found[1]


class FreshPair(Consistency):
    """x_s made of x_0 and noise of its own, not on the path of x_t."""

    def below(self, x_t, t, s):
        return s.a / t.a * x_t + (s.s - s.a / t.a * t.s) * normal(backend.rng(5), x_t.shape)


def test_pairs_off_the_path_are_noticed():
    """For them the flow is no minimum."""
    assert loss(exactly(build(FreshPair))) > 100 * loss(exactly(build()))


class NoBoundary(Consistency):
    def c_skip(self, a, s):
        return 0.0 * a

    def c_out(self, a, s):
        return 1.0 + 0.0 * a


def constant(model):
    for p in [*model.network.parameters(), *model.target.parameters()]:
        p.assign(0.0)
    return model


def test_without_the_boundary_saying_nothing_is_consistent():
    """Which is what training would find first."""
    assert loss(constant(build(NoBoundary))) == 0.0 and loss(constant(build())) > 30 * loss(exactly(build()))


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_flow_draws_the_mixture_in_any_number_of_steps(steps):
    """Algorithm 1; Kolmogorov and Smirnov's distance is above 1.95 / sqrt(n) once in a thousand times."""
    n, model = 1000, exactly(build())
    u = np.sort(P.share_below(model.sample(n, backend.rng(4), steps=steps)))
    distance = np.abs(u - np.arange(n) / n).max()
    assert distance < 1.95 / math.sqrt(n)
    if steps > 1:  # eps that x_t had, instead of fresh noise, or none
        for broken in (ddim, lambda denoise, x, levels, rng: denoise(denoise(x, levels[0]), levels[1])):
            model.drawn_by = broken
            u = np.sort(P.share_below(model.sample(n, backend.rng(4), steps=2)))
            assert np.abs(u - np.arange(n) / n).max() > 1.95 / math.sqrt(n)


def test_the_target_follows_and_carries_no_gradient():
    """Eq. 8, before each step but the first; in eval mode it rests."""
    model = build(mu=0.9)
    network, target = (part.parameters()[0] for part in (model.network, model.target))
    np.testing.assert_array_equal(network.numpy(), target.numpy())  # it begins as the network
    network.assign(network.data + 1.0)
    before = target.numpy().copy()
    loss(model)
    np.testing.assert_allclose(target.numpy(), before + 0.1, rtol=1e-5)
    loss(model.eval())
    np.testing.assert_allclose(target.numpy(), before + 0.1, rtol=1e-5)
    found = model.loss({"x": np.float32(P.draw(8, backend.rng(2))[0])}, backend.rng(3))["loss"]
    parameters = [*model.network.parameters(), *model.target.parameters()]
    gradients = grad(found, parameters, allow_unused=True)
    own = len(model.network.parameters())
    assert [p.name for p in model.players()] == ["consistency"] and len(model.players()[0].params) == own
    assert all(g is None or not np.any(g.numpy()) for g in gradients[own:])
    assert any(np.any(g.numpy()) for g in gradients[:own])


def test_a_target_with_a_gradient_is_another_loss():
    """Pulling both ends together also moves the lower one, which is nearer to the truth."""
    model, x = build().eval(), np.float32(P.draw(64, backend.rng(2))[0])
    for p in model.network.parameters():
        p.assign(p.data + 0.1 * normal(backend.rng(6), p.shape))
    model.follow(0.0)
    right = grad(model.loss({"x": x}, backend.rng(3))["loss"], model.network.parameters())
    rng = backend.rng(3)
    i = rng.integers(17, size=64)
    t, s = (model.columns(model.levels, number, asarray(x)) for number in (i, i + 1))
    x_t = t.a * asarray(x) + t.s * normal(rng, x.shape)
    x_s = model.below(x_t, t, s)
    f = lambda x, level: model.f(model.network, Tensor(x), level)
    for aim, equal in ((f(x_s, s).detach(), True), (f(x_s, s), False)):
        found = grad(mse_loss(f(x_t, t), aim), model.network.parameters())
        assert equal == all(np.allclose(a.numpy(), b.numpy(), atol=1e-6) for a, b in zip(found, right))


def test_training_finds_the_flow():
    """From the teacher alone: one step ends where the exact flow does, nearer than the teacher's own first guess."""
    levels, rng = straight_levels(8), backend.rng(7)
    model = build(levels=levels, mu=0.8)
    data = np.float32(P.draw(4000, rng)[0])
    table = [P.quantile(np.linspace(0.001, 0.999, 400), level) for level in levels[:-1]]

    def below(x_t, t, s):  # the exact flow, read off a table: paths keep their order
        out = np.zeros(x_t.shape, np.float32)
        for i, each in enumerate(levels[:-2]):
            rows = np.flatnonzero(np.asarray(t.t) == each.t)
            out[rows, 0] = np.interp(to_numpy(x_t)[rows, 0], to_numpy(table[i])[:, 0], to_numpy(table[i + 1])[:, 0])
        return asarray(out)

    model.below = below
    optimizer = Adam(model.network.parameters(), cosine_decay(1e-2))
    for step in range(400):
        batch = {"x": data[rng.integers(len(data), size=128)]}
        optimizer.step(grad(model.loss(batch, rng)["loss"], optimizer.params), done=step / 400)
    x_T = asarray(np.linspace(-2, 2, 60)[:, None], np.float32)
    truth = P.flow(x_T, levels[0], CLEAN)
    off = lambda x: float(((x - truth) ** 2).mean()) / float(((truth - truth.mean()) ** 2).mean())
    assert off(model.denoise(x_T, levels[0])) < 0.05 < 0.5 < off(P.denoise(x_T, levels[0]))
    (measure,) = model.measure({"x": data[:50]}, rng)
    assert measure.value < 0.1 and "the teacher's own in one step" in measure.detail


@pytest.mark.parametrize("call, message", [
    (lambda: build(levels=LEVELS[:-1]), "Consistency: 18 levels, and the last is (t = 1"),
    (lambda: build(levels=[]), "Consistency: 0 levels"),
    (lambda: build(mu=1.0), "mu is 1.0, expected at least 0 and below 1"),
    (lambda: build(sd=0.0), "sd is 0.0, expected above 0"),
    (lambda: build().sample(3, backend.rng(0), steps=19), "steps is 19, expected 1 to 18"),
    (lambda: build().loss({"x": np.zeros((4, 3), np.float32)}, backend.rng(0)), "x has shape (4, 3), expected (N, 1)"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)
