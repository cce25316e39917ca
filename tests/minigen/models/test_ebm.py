"""The energy-based model against what is known exactly in the plane: Z, the gradient of the likelihood, and Gaussians;
and the ways to get it wrong."""
import numpy as np
import pytest

from autograd import Tensor, grad, logsumexp, parameter
from autograd.backend import asarray, default_dtype, to_numpy
from minigen import data
from minigen.data import Space
from minigen.energy import Grid
from minigen.models.energy import EBM, MLPEnergy
from minigen.nn import Module
from minigen.optim import Adam, adam, cosine_decay
from minigen.train import Run, one_stage

POINTS, DIGITS = Space((2,)), Space((1, 8, 8), 17)
GRID = Grid(edge=8.0, cells=150)


def rng(seed=0):
    return np.random.default_rng(seed)


def of_points(network=None, kind=EBM, **settings):
    chosen = dict(steps=5, step=0.05, noise=None, clip=None, reference=2.0, alpha=0.0, capacity=500) | settings
    return kind(network or MLPEnergy((2,), (16,), rng=rng()), POINTS, **chosen, rng=rng(1))


def of_digits(kind=EBM, **settings):
    return kind(MLPEnergy((1, 8, 8), (32,), rng=rng()), DIGITS, **dict(steps=5, capacity=200) | settings, rng=rng(1))


class Quadratic(Module):
    """f(x) = 1/2 a |x|^2 - b x: with the reference, p = N(b v, v I), 1/v = a + 1/s^2."""

    def __init__(self, a=0.0, b=(0.0, 0.0)):
        self.a, self.b = parameter(np.float32(a)), parameter(np.float32(b))

    def forward(self, x):
        return (0.5 * self.a * x * x - self.b * x).sum(axis=1)


# Theory


def test_density_of_a_quadratic_energy_is_gaussian():
    model = of_points(Quadratic(0.75, (0.5, -1.0)))  # v = 1
    x = np.float32(rng().standard_normal((50, 2)))
    known = -np.log(2 * np.pi) - 0.5 * ((x - [0.5, -1.0]) ** 2).sum(axis=1)
    np.testing.assert_allclose(model.log_prob(GRID)(x), known, atol=1e-5)
    measured, = model.measure({"x": x}, rng())
    assert measured.name == "NLL" and measured.value == pytest.approx(-known.mean(), abs=1e-4)


def test_training_makes_the_walk_as_wide_as_the_data():
    """What is learnt is the energy whose walk gives data: for N(m, s2) and steps of length h the v with
    v / (1 - h / (4 v)) = s2, which is less than s2."""
    m, s2, h = np.float32([1.0, -0.5]), 0.5, 0.2
    v = s2 / 2 * (1 + np.sqrt(1 - h / s2))  # solved for v
    x = np.float32(m + np.sqrt(s2) * rng(2).standard_normal((2000, 2)))
    model, noise = of_points(Quadratic(), step=h, restarts=0.0), rng(3)
    optimizer = Adam(model.parameters(), cosine_decay(0.1))
    for i in range(400):
        loss = model.loss({"x": x[noise.integers(2000, size=250)]}, noise)["loss"]
        optimizer.step(grad(loss, optimizer.params), done=i / 400)
    learnt = 1 / (model.network.a.item() + 1 / model.reference**2)
    assert v < 0.45 and learnt == pytest.approx(v, rel=0.08)
    np.testing.assert_allclose(model.network.b.numpy() * learnt, m, atol=0.1)


class WithDraws(EBM):
    """Whose walk ends in exact draws of p, by the grid's cells."""

    def walk(self, x, steps, rng):
        p = np.exp(self.log_prob(GRID)(GRID.points)) * GRID.area
        drawn = GRID.points[rng.choice(len(p), len(x), p=p / p.sum())]
        return asarray(drawn + (rng.random(drawn.shape) - 0.5) * np.sqrt(GRID.area), default_dtype)


class WrongSign(WithDraws):
    def loss(self, batch, rng):
        return {"loss": -super().loss(batch, rng)["loss"]}


class ThroughTheChain(WithDraws):
    """Draws that went one step further, and remember how."""

    def walk(self, x, steps, rng):
        x = parameter(super().walk(x, steps, rng))
        return x - 0.5 * self.step * grad(self.energy(x).sum(), x, create_graph=True)


def slope_error(kind):
    """|g - exact| / |exact| of the loss's gradient g and that of the exact -log p, with Z summed over the grid."""
    model = of_points(kind=kind, capacity=20_000, step=2.0)
    model.eval()  # the buffer is not written to
    for p in model.parameters():
        p.data *= 3  # a density that is far from the reference
    x, params = np.float32(rng(4).standard_normal((20_000, 2)) * [0.5, 1.0] + 1), model.network.parameters()
    log_Z = logsumexp(-model.energy(np.float32(GRID.points)), axis=0)  # and the area, a constant
    exact = grad(model.energy(x).mean() + log_Z, params, allow_unused=True)
    found = grad(model.loss({"x": x}, rng(6))["loss"], params)
    flat = lambda gradients: np.concatenate([g.numpy().ravel() for g in gradients])
    return np.linalg.norm(flat(found) - flat(exact)) / np.linalg.norm(flat(exact))


def test_the_loss_has_the_gradient_of_the_exact_likelihood():
    assert slope_error(WithDraws) < 0.05
    assert slope_error(WrongSign) > 1.5
    assert slope_error(ThroughTheChain) > 0.15


def test_the_walk_leaves_no_graph():
    model = of_digits()
    x = model.walk(model.start(4, rng()), 3, rng())
    assert not isinstance(x, Tensor) and to_numpy(x).shape == (4, 1, 8, 8)


def test_squares_are_weighed_by_alpha_and_every_parameter_is_trained():
    batch = {"x": data.load("digits")["x"][:20]}
    plain, weighted = (of_digits(alpha=alpha).loss(batch, rng(2)) for alpha in (0.0, 0.5))
    gap = plain["E(x+) - E(x-)"].item()
    assert plain["loss"].item() == pytest.approx(gap) == pytest.approx(weighted["E(x+) - E(x-)"].item())
    model = of_digits(alpha=0.5)
    x = model.observe(batch["x"], noise := rng(2))
    _, start = model.buffer.draw(model.start(20, noise), noise)
    drawn = model.walk(start, 5, noise)
    squares = (model.energies(x) ** 2).mean() + (model.energies(drawn) ** 2).mean()
    assert weighted["loss"].item() == pytest.approx(gap + 0.5 * squares, rel=1e-4)
    model = of_digits()
    player, = model.players()
    gradients = grad(player.loss(batch, rng())["loss"], player.params)
    assert {id(p) for p in player.params} == {id(p) for p in model.parameters()}
    assert all(np.any(g.numpy() != 0) for g in gradients)


# Traps


class NotKept(EBM):
    """Whose pixels leave their range."""

    def walk(self, x, steps, rng):
        self.space, space = Space(self.space.shape), self.space  # of real numbers: no range
        try:
            return super().walk(x, steps, rng)
        finally:
            self.space = space


@pytest.mark.parametrize("kind, inside", [(EBM, True), (NotKept, False)])
def test_pixels_are_kept_within_their_range(kind, inside):
    model = of_digits(kind, noise=0.2)
    model.loss({"x": data.load("digits")["x"][:100]}, rng())
    states = to_numpy(model.buffer.states)
    assert (0 <= states.min() and states.max() <= 1) == inside


def test_a_walk_on_images_is_no_langevin_walk_unless_it_is_asked_to_be(monkeypatch):
    """Step and noise go to the walk as they are given; noise=None couples them."""
    asked = []
    monkeypatch.setattr("minigen.models.energy.ebm.langevin", lambda *_, **settings: asked.append(settings["noise"]))
    of_digits().walk(None, 1, rng())
    of_points().walk(None, 1, rng())
    assert asked == [0.005, None]


def test_a_look_at_other_data_leaves_the_chains_alone():
    model, batch = of_digits(), {"x": data.load("digits")["x"][:50]}
    before = to_numpy(model.buffer.states).copy()
    model.eval().loss(batch, rng())
    np.testing.assert_array_equal(to_numpy(model.buffer.states), before)
    model.train().loss(batch, rng())
    changed = (to_numpy(model.buffer.states) != before).any(axis=(1, 2, 3))
    assert changed.sum() == 50


def test_the_chains_are_saved():
    model, other = of_digits(), of_digits()
    model.loss({"x": data.load("digits")["x"][:50]}, rng())
    assert not np.array_equal(to_numpy(model.buffer.states), to_numpy(other.buffer.states))
    other.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(to_numpy(model.buffer.states), to_numpy(other.buffer.states))


def test_gray_levels_are_spread():
    """A network would tell multiples of 1/16 from a walk's numbers, and nothing else."""
    x = data.load("digits")["x"][:20]
    seen = to_numpy(of_digits().observe(x, rng()))
    assert len(np.unique(seen)) > 1000 and 0 < seen.min() and seen.max() < 1
    np.testing.assert_array_equal(np.floor(seen * 17), x)


# In use


def test_samples_and_measures():
    model, x = of_digits(draws=3), data.load("digits")["x"][:30]
    assert model.sample(0, rng()).shape == (0, 1, 8, 8) and model.sample(3, rng()).shape == (3, 1, 8, 8)
    names = [measure.name for measure in model.measure({"x": x}, rng())]
    assert names == ["energy gap", "AUROC, noise", "AUROC, samples"]
    with pytest.raises(ValueError, match=r"Z is summed over a grid in the plane, and x has shape \(1, 8, 8\)"):
        model.log_prob(GRID)


def test_networks():
    for shape in ((3, 9, 12), (2,)):
        network = MLPEnergy(shape, (8,), rng=rng())
        x = np.float32(rng().random((5, *shape)))
        E = network(x).numpy()
        assert E.shape == (5,)
        np.testing.assert_allclose(network(x[2:3]).numpy(), E[2:3], rtol=1e-4, atol=1e-6)  # each on its own


@pytest.mark.parametrize("arguments, message", [
    (dict(space=POINTS), "EBM: points have no range; pass reference"),
    (dict(steps=0), "steps is 0, draws is 200, capacity is 10000, expected at least 1"),
    (dict(alpha=-1), "alpha is -1, expected at least 0"),
    (dict(restarts=2), "restarts is 2, expected a share"),
])
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        EBM(**{"network": MLPEnergy((1, 8, 8), rng=rng()), "space": DIGITS, **arguments}, rng=rng())


def test_bad_data():
    with pytest.raises(ValueError, match=r"x has shape \(4, 64\), expected \(N, 1, 8, 8\)"):
        of_digits().loss({"x": np.zeros((4, 64), np.uint8)}, rng())
    with pytest.raises(ValueError, match="300 chains are to be moved at a time, and it holds 200"):
        of_digits().loss({"x": data.load("digits")["x"][:300]}, rng())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_gap_stays_small_on_digits(seed):
    """For a few seconds of training: a run that goes wrong does so early. NaN would raise."""
    digits, noise = data.load("digits"), rng(seed)
    model = EBM(MLPEnergy((1, 8, 8), (256, 256), rng=noise), DIGITS, rng=noise)
    run = Run(one_stage(model, adam(1e-3, betas=(0.0, 0.999)), 150, batch_size=64, clip=1.0), digits, rng=noise)
    gaps = [run.advance()["E(x+) - E(x-)"] for _ in range(150)]
    assert np.abs(gaps[50:]).max() < 1
