"""Progressive distillation: students without errors do in one step exactly what the teacher does in all of its."""
import functools

import numpy as np
import pytest

from autograd import Tensor, backend, grad
from autograd.backend import asarray, normal, to_numpy
from minigen.data import Space
from minigen.diffusion import Mixture, cosine_schedule, ddim
from minigen.models.diffusion import Progressive
from minigen.nn import Frozen, Module, TimedMLP
from minigen.optim import Adam, cosine_decay

P, LINE = Mixture([0.3, 0.7], [[-0.8], [0.6]], 0.2), Space((1,))
LEVELS = cosine_schedule(1000).levels(8)


class Teacher(Module):
    """The denoiser of N(0, c^2), of levels that are columns too: linear in x_t."""

    space, c = LINE, 0.5

    def denoise(self, x_t, level):
        a, s = level.a, level.s
        return a * self.c**2 / (a * a * self.c**2 + s * s) * x_t


def build(model=Progressive, rounds=3, **settings):
    network, target = (TimedMLP(1, (32, 32), rng=backend.rng(seed)) for seed in (0, 1))
    return model(network, target, Frozen(Teacher()), LEVELS, rounds, **settings)


def without_errors(model, round):
    """The denoiser that students without errors have after so many rounds, from level to level of their own."""
    if round == 0:
        return model.teacher.denoise
    before, levels = without_errors(model, round - 1), LEVELS[:: 2 ** (round - 1)]

    def denoise(x_t, level):
        i = levels.index(level)
        t, s = levels[i], levels[i + 2]
        return model.aim(x_t, ddim(before, x_t, levels[i : i + 3]), t, s)

    return denoise


class ItsEnd(Progressive):
    """Aims at where the two steps end, as if that were an image."""

    def aim(self, x_t, x_s, t, s):
        return x_s


def test_one_step_is_all_of_the_teacher_s():
    """Eight steps, three rounds."""
    x_T = asarray(backend.rng(1).standard_normal((20, 1)))
    taught = to_numpy(ddim(Teacher().denoise, x_T, LEVELS))
    for round in (1, 2, 3):
        drawn = ddim(without_errors(build(), round), x_T, LEVELS[:: 2**round])
        np.testing.assert_allclose(to_numpy(drawn), taught, rtol=1e-8, atol=1e-10)
    wrong = ddim(without_errors(build(ItsEnd), 3), x_T, LEVELS[::8])
    assert np.abs(to_numpy(wrong) - taught).max() > 0.1


def by_the_first(model, x, t, s):
    """A step with the first teacher, whichever the round."""
    x_0 = model.teacher.denoise(x, t)
    return s.a * x_0 + s.s / t.s * (x - t.a * x_0)


def test_the_loss_is_0_for_a_student_without_errors():
    """In each round, on its own levels, and taught by the student of the round before, not by the first teacher."""
    for round in (1, 2):
        model = build()
        for _ in range(round):
            model.halve()

        def f(network, x, level):
            denoise = without_errors(model, round if network is model.network else round - 1)
            data, out = asarray(x.data if isinstance(x, Tensor) else x, np.float64), np.zeros(x.shape)
            for each in LEVELS[:-1]:
                rows = np.flatnonzero(np.asarray(level.t) == each.t)
                if len(rows):
                    out[rows] = to_numpy(denoise(data[rows], each))
            return Tensor(asarray(out, np.float32))

        model.f = f
        batch = {"x": np.float32(0.5 * backend.rng(2).standard_normal((200, 1)))}
        assert model.loss(batch, backend.rng(3))["loss"].item() < 1e-6
        # an error of v by 0.3, which is one of x_0 by 0.3 s, costs 0.3^2 at each level
        model.f = lambda network, x, level: f(network, x, level) + 0.3 * level.s * (network is model.network)
        assert model.loss(batch, backend.rng(3))["loss"].item() == pytest.approx(0.09, rel=1e-3)
        model.f = f
        model.step = functools.partial(by_the_first, model)
        assert (model.loss(batch, backend.rng(3))["loss"].item() > 1e-3) == (round == 2)


def test_a_round_begins_with_the_last_one_s_student():
    model = build()
    assert len(model.way()) == 9
    for round, steps in ((1, 4), (2, 2), (3, 1)):
        model.network.parameters()[0].assign(float(round))
        model.halve()
        assert model.round == round and len(model.way()) == steps + 1 and model.way() == LEVELS[:: 2**round]
        assert (model.target.parameters()[0].numpy() == round).all()
        assert not {id(p) for p in model.players()[0].params} & {id(p) for p in model.target.parameters()}
    assert "round" in model.state_dict()


def test_noise_alone_is_enough():
    """At a = 0 f has x_0 from its network; as a prediction of eps it would have it from x_T / a."""
    model, x_T = build(), normal(backend.rng(4), (5, 1))
    model.network.head.bias.assign(0.7)
    np.testing.assert_allclose(model.f(model.network, x_T, LEVELS[0]).numpy(), 0.7, atol=1e-3)


def test_training_halves_the_steps():
    """A student of the mixture's own denoiser is nearer to its teacher's four steps in two than the teacher itself."""

    class OfTheMixture(Teacher):
        def denoise(self, x_t, level):
            if np.ndim(level.t) == 0:
                return P.denoise(x_t, level)
            out = np.zeros(x_t.shape, np.float32)
            for i in np.unique(level.t):
                rows = np.flatnonzero(level.t == i)
                each = type(level)(*(float(np.ravel(number)[rows[0]]) for number in level))
                out[rows] = to_numpy(P.denoise(x_t[rows], each))
            return asarray(out)

    rng, levels = backend.rng(5), cosine_schedule(1000).levels(4)
    networks = (TimedMLP(1, (32, 32), rng=backend.rng(0)) for _ in range(2))
    model = Progressive(*networks, Frozen(OfTheMixture()), levels, 1)
    model.halve()
    data, optimizer = np.float32(P.draw(4000, rng)[0]), Adam(model.network.parameters(), cosine_decay(1e-2))
    for step in range(300):
        batch = {"x": data[rng.integers(len(data), size=128)]}
        optimizer.step(grad(model.loss(batch, rng)["loss"], optimizer.params), done=step / 300)
    x_T = normal(rng, (500, 1))
    taught = ddim(P.denoise, x_T, levels)
    off = lambda denoise: float(((ddim(denoise, x_T, levels[::2]) - taught) ** 2).mean())
    assert off(model.denoise) < 0.2 * off(P.denoise)
    assert model.sample(10, rng).shape == (10, 1) and "steps 2" in model.measure({"x": data[:30]}, rng)[0].detail


@pytest.mark.parametrize("call, message", [
    (lambda: build(rounds=4), "Progressive: 8 steps for 4 rounds, each of which halves them"),
    (lambda: build(rounds=0), "8 steps for 0 rounds"),
    (lambda: build().sample(2, backend.rng(0), steps=3), "steps is 3, and this student was taught to take 8"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)
