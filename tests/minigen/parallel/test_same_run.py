"""Any number of workers make the run that one makes, up to rounding; and each of the five things that this takes is
missed when it is left out."""
import functools
import math
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from autograd import batch, functional, grad, norm, parameter, record, tanh
from autograd.batch import Share, current_share, sharing
from minigen.data import Dataset, Space
from minigen.diffusion import cosine_schedule
from minigen.models.adversarial import GAN, WGANGP, ConvDiscriminator, ConvGenerator
from minigen.models.autoencoders import VAE
from minigen.models.diffusion import DDPM
from minigen.models.flows import RealNVP
from minigen.nn import BatchNorm1d, Linear, Module, Sequential, UNet
from minigen.optim import adam, clip_factor
from minigen.parallel.draws import Draws
from minigen.parallel.world import World
from minigen.player import Player
from minigen.train import NonFiniteLoss, Run, one_stage

TOOLS = runpy.run_path(str(Path(__file__).with_name("simulated.py")))
MUTATIONS = runpy.run_path(str(Path(__file__).parents[2] / "autograd" / "test_mutation.py"))["MUTATIONS"]
Simulated, together = TOOLS["Simulated"], TOOLS["together"]

STEPS = 20
TOLERANCE = 1e-9  # of the largest change of a weight: float64, whose sums are made in another order
NOTICED = 1e-3  # at least, when one of the five is left out


@pytest.fixture(autouse=True)
def float64(monkeypatch):
    TOOLS["in_float64"](monkeypatch)


IMAGES, SMALL, POINTS = Space((1, 8, 8), 17), Space((1, 4, 4), 17), Space((2,))


def vae(rng):
    return VAE(SMALL, "categorical", latent=2, hidden=(8,), rng=rng), {}


def dcgan(rng):
    return GAN(ConvGenerator(3, IMAGES.shape, width=2, rng=rng),
               ConvDiscriminator(IMAGES.shape, width=2, rng=rng), IMAGES), {}


def wgan_gp(rng):
    return WGANGP(ConvGenerator(3, IMAGES.shape, width=2, rng=rng),
                  ConvDiscriminator(IMAGES.shape, width=2, norm=None, rng=rng), IMAGES, n_critic=2), {}


def realnvp(rng):
    return RealNVP(POINTS, width=8, couplings=2, rng=rng), {}


def ddpm(rng):
    network = UNet(1, width=4, multipliers=(1, 2), blocks=1, groups=2, dropout=0.2, rng=rng)
    return DDPM(network, cosine_schedule(50), SMALL), {"clip": 0.5, "ema": (network, 0.9)}


def dataset(make):
    draw, space = np.random.default_rng(1), make(Draws(0))[0].space
    x = draw.normal(size=(40, 2)) if space is POINTS else draw.integers(0, 17, (40, *space.shape))
    x = x.astype(space.dtype)
    return Dataset("noise", "train", {"x": x}, {"x": space}, "noise")


def trained(make, size, batch_size=8, kind=Simulated):
    """Of each of `size` workers the weights, averages and loss terms after STEPS steps."""

    def work(world):
        rng = world.rng(0)
        model, settings = make(rng)
        sitting = Run(one_stage(model, adam(1e-3), STEPS, batch_size, **settings), dataset(make), rng=rng, world=world)
        model.train()
        terms = [sitting.advance() for _ in range(STEPS)]
        weights = {name: np.array(value, np.float64) for name, value in model.state_dict().items()}
        if sitting.ema:
            weights |= {f"ema {name}": value for name, value in sitting.ema.state_dict().items()}
        return weights, np.array([list(each.values()) for each in terms])

    return together(size, work, kind)


alone = functools.cache(lambda make: trained(make, 1)[0])


def difference(make, size, kind=Simulated):
    """The largest difference of a weight or a loss term of worker 0 from those of one worker."""
    (weights, terms), (found, found_terms) = alone(make), trained(make, size, kind=kind)[0]
    return max(max(np.abs(weights[name] - found[name]).max() for name in weights), np.abs(terms - found_terms).max())


@pytest.mark.parametrize("make", [vae, dcgan, wgan_gp, realnvp, ddpm], ids=lambda make: make.__name__)
def test_two_and_three_workers_make_the_run_of_one(make, record_property):
    """Of 8 examples in a batch two workers have 4 each, three have 2, 3 and 3."""
    found = [difference(make, size) for size in (2, 3)]
    record_property("score", f"{make.__name__}: 2 and 3 workers differ from 1 by {found[0]:.1e} and {found[1]:.1e}")
    assert max(found) < TOLERANCE


def test_workers_have_equal_weights_bit_for_bit():
    (first, _), *others = trained(vae, 3)
    assert all(weights[name].tobytes() == first[name].tobytes() for weights, _ in others for name in first)


# Each of the five things is missed


class SameRows(Simulated):
    """Every worker takes the first rows."""

    def rows(self, total):
        rows = super().rows(total)
        return slice(0, rows.stop - rows.start)


class EvenWeights(Simulated):
    """A worker's mean counts 1/size, however many rows it has."""

    def part(self, loss):
        return loss * (1.0 / self.size)


class ClippedAlone(Simulated):
    """Each worker clips the gradient that it adds."""

    def add(self, gradients, terms):
        factor, _ = clip_factor(gradients, 0.5 / self.size)
        return super().add([g * factor for g in gradients], terms)


def test_rows_that_two_workers_have_are_missed():
    assert difference(vae, 2, kind=SameRows) > NOTICED


def test_noise_drawn_for_own_rows_only_is_missed(monkeypatch):
    """Two workers of four rows draw the same four; of three, who have two and three, the states part."""
    monkeypatch.setattr("minigen.parallel.draws.current_share", lambda: None)
    assert difference(vae, 2) > NOTICED
    with pytest.raises(RuntimeError, match="the workers' runs have parted: their losses drew other random numbers"):
        trained(vae, 3)


def test_dropout_masks_of_own_rows_only_are_missed(monkeypatch):
    monkeypatch.setattr(functional, "uniform", lambda rng, shape, dtype: own_numbers(rng, shape))
    assert difference(ddpm, 2) > NOTICED


def own_numbers(rng, shape):
    with sharing(None):
        return rng.random(shape)


def test_statistics_of_own_rows_only_are_missed(monkeypatch):
    monkeypatch.setattr(norm, "batch_mean", lambda x, keepdims: x.mean(axis=0, keepdims=keepdims))
    assert difference(dcgan, 2) > NOTICED


def test_gradients_that_do_not_go_back_through_the_statistics_are_missed(monkeypatch):
    """The mean forward is of all rows, that of the gradient of a worker's own."""
    means, forward = norm.batch_mean, []

    def half(x, keepdims):
        forward.append(current_share() and not any("sweep.py" in f.f_code.co_filename for f in frames()))
        return means(x, keepdims=keepdims) if forward[-1] else x.mean(axis=0, keepdims=keepdims)

    monkeypatch.setattr(norm, "batch_mean", half)
    assert difference(dcgan, 2) > NOTICED and {True, False} <= set(forward)


def frames():
    frame = sys._getframe(2)
    while frame:
        yield frame
        frame = frame.f_back


def test_means_of_unequal_numbers_that_count_alike_are_missed():
    assert difference(vae, 3, kind=EvenWeights) > NOTICED


def test_clipping_before_the_sum_is_missed():
    assert difference(ddpm, 2, kind=ClippedAlone) > NOTICED


# What else must be so


FUNCTIONS = {
    "batch_sum": lambda x: batch.batch_sum((x**3).sum(axis=0)),
    "batch_mean": lambda x: batch.batch_mean(x**3),
    "mean_of_means": lambda x: batch.mean_of_means((x**3).mean(axis=0)),
    "denominator": lambda x: batch.mean_of_means((x**3).sum(axis=0) / batch.denominator((x * x).sum())),
    "whole": lambda x: (batch.whole(x)[1:] * batch.whole(x)[:-1] ** 2).sum(axis=0),
}


def slopes(f, size):
    """Of seven rows the gradients of a function of f, and of the squares of these."""

    def work(world):
        x = np.random.default_rng(1).normal(size=(7, 3))
        with world.share({"x": x}) as mine:
            leaf = parameter(mine["x"])
            first = grad(world.part((f(leaf) ** 2).sum()), leaf, create_graph=True)
            second = grad((first * first).sum(), leaf)
        return first.data, second.data

    return [np.concatenate(parts) for parts in zip(*together(size, work))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_the_whole_batch_have_the_gradients_of_one_worker(name, monkeypatch):
    """To second order, with 3 and 4, and 2, 2 and 3 rows; which is missed if the gradients stay with a worker."""
    one = slopes(FUNCTIONS[name], 1)
    for size in (2, 3):
        np.testing.assert_allclose(slopes(FUNCTIONS[name], size), one, rtol=1e-10, atol=1e-10)
    monkeypatch.setattr(batch, "record", lambda value, edge: record(value, (edge[0], lambda g: without_sums(edge[1], g))))
    assert np.abs(np.array(slopes(FUNCTIONS[name], 2)) - one).max() > 1e-3


def without_sums(pullback, g):
    share = current_share()
    with sharing(Share(share.rows, share.total, lambda array: array)):
        return pullback(g)


MUTANTS = [(name, pullback, kind) for name, pullback in (("batch_sum", "batch_sum"), ("whole", "whole"), ("whole", "own"))
           for kind in MUTATIONS if (pullback, kind) != ("own", "dropped")]  # own is no edge, but part of one


def survives(name, pullback, mutation):
    """Whether two workers still have the gradients of one if this pullback is broken."""
    own = batch.own

    def broken(value, *edges):
        if sys._getframe(1).f_code.co_name == pullback:
            edges = [(x, lambda g, back=back: mutation(back, g)) for x, back in edges if mutation]
        return record(value, *edges)

    with pytest.MonkeyPatch.context() as patch:
        if pullback == "own":
            patch.setattr(batch, "own", lambda g: mutation(own, g))
        else:
            patch.setattr(batch, "record", broken)
        try:
            found = slopes(FUNCTIONS[name], 2)
        except RuntimeError as error:
            assert "the output has no graph" in str(error)
            return False
    return np.allclose(found, slopes(FUNCTIONS[name], 1), rtol=1e-10, atol=1e-10)


def test_broken_pullbacks_of_the_whole_batch_are_missed(record_property):
    """In the nine ways of tests/autograd/test_mutation.py, which leaves these out: the check above notices each but the
    freezing of what is linear, which is no change."""
    survivors = [(pullback, kind) for name, pullback, kind in MUTANTS if survives(name, pullback, MUTATIONS[kind])]
    unchanged = [(pullback, "frozen") for pullback in ("batch_sum", "whole", "own")]
    record_property("score", f"mutants of sums over workers: caught {len(MUTANTS) - len(survivors)} of "
                    f"{len(MUTANTS) - len(unchanged)}")
    assert survivors == unchanged


def test_slopes_penalized_through_batch_statistics():
    """Second derivatives of a network whose examples tell each other of themselves, which WGAN-GP's critic is not."""

    def work(world):
        net = Sequential(Linear(3, 4, rng=world.rng(0)), BatchNorm1d(4), tanh, Linear(4, 1, rng=world.draws))
        x = np.random.default_rng(1).normal(size=(7, 3))
        with world.share({"x": x}) as mine:
            leaf = parameter(mine["x"])
            slope = grad((net(leaf) ** 2).sum(), leaf, create_graph=True)
            own = grad(world.part((slope * slope).sum(axis=1).mean()), net.parameters())
        return world.add(own, {})[0]

    alone, *others = together(1, work) + together(2, work) + together(3, work)
    error = max(np.abs(a.data - b.data).max() for each in others for a, b in zip(alone, each))
    assert error < 1e-12 * max(np.abs(a.data).max() for a in alone) + 1e-12


def test_one_checkpoint_is_gone_on_with_by_any_number(tmp_path):
    """Two workers' after 6 steps by three, theirs after 12 by one: it is the run of one."""

    def sitting(size, steps):
        def work(world):
            rng = world.rng(0)
            model, settings = dcgan(rng)
            run = Run(one_stage(model, adam(1e-3), STEPS, 8, **settings), dataset(dcgan), rng=rng, world=world)
            if (tmp_path / "checkpoint").exists():
                run.restore(tmp_path / "checkpoint")
            world.broadcast()
            model.train()
            for _ in range(steps):
                run.advance()
            if world.rank == 0:
                run.save(tmp_path / "checkpoint", {})
            return model.state_dict()

        return together(size, work)[0]

    sitting(2, 6), sitting(3, 6)
    cut, (whole, _) = sitting(1, STEPS - 12), alone(dcgan)
    assert max(np.abs(cut[name] - whole[name]).max() for name in cut) < TOLERANCE


@pytest.mark.parametrize("name, what", [("loss", "loss is nan"), ("gradient", "norm of the gradient is nan")])
def test_what_is_not_finite_names_step_player_and_worker(name, what):
    class Bad(Module):
        def __init__(self):
            self.w = parameter(np.ones(1))

        def players(self):
            return [Player("wrong", [self.w], self.loss)]

        def loss(self, batch, rng):
            bad = (batch["x"] == 7).any()  # row 7 is the last worker's
            loss = (self.w * np.float64(batch["x"]).mean()).sum()
            if bad and name == "loss":
                loss = loss * math.nan
            return {"loss": record(loss.data, (loss, lambda g: g * math.nan)) if bad and name == "gradient" else loss}

    def work(world):
        x = np.arange(8, dtype=np.uint8).reshape(8, 1, 1, 1)
        data = Dataset("rows", "train", {"x": x}, {"x": Space((1, 1, 1), 17)}, "rows")
        run = Run(one_stage(Bad(), adam(1e-3), 3, 8), data, rng=world.rng(0), world=world)
        run.batches = iter([{"x": np.float64(x)}] * 3)
        run.advance()

    with pytest.raises(NonFiniteLoss, match=f"^step 0, player 'wrong', worker 1: {what}"):
        together(2, work)


def test_a_batch_with_fewer_rows_than_workers_is_refused():
    with pytest.raises(ValueError, match="a batch of 2 has too few rows for 3 workers; give --workers 2 at most"):
        trained(vae, 3, batch_size=2)


def test_alone_draws_are_those_of_numpy():
    ours, numpys = Draws(3), np.random.default_rng(3)
    for draw in (lambda rng: rng.random((3, 2)), lambda rng: rng.integers(0, 9, 5), lambda rng: rng.permutation(4),
                 lambda rng: rng.choice(5, size=3), lambda rng: rng.normal(1.0, 2.0, 3), lambda rng: rng.gumbel(size=2)):
        np.testing.assert_array_equal(draw(ours), draw(numpys))
    assert World().rng(0).random() == np.random.default_rng(0).random()


def test_own_rows_of_what_is_drawn_for_all_and_nothing_else():
    everyone = np.random.default_rng(0)
    all_rows, order, one, shared = everyone.random((5, 2)), everyone.permutation(5), everyone.random(), everyone.random(4)
    for rows in (slice(0, 2), slice(2, 5)):
        rng = Draws(0)
        with sharing(Share(rows, 5, None)):
            n = rows.stop - rows.start
            np.testing.assert_array_equal(rng.random((n, 2)), all_rows[rows])
            np.testing.assert_array_equal(rng.permutation(n), order[rows])
            assert rng.random() == one
            np.testing.assert_array_equal(rng.random(4), shared)  # as many as no worker has rows
