"""Classifier guidance on a mixture whose classifier is exact, with each mistake that others made; and the classifier of
noisy images."""
import math
from functools import partial

import numpy as np
import pytest

from autograd import Tensor, backend, grad, log_softmax, parameter
from autograd.backend import asarray, normal, to_numpy
from minigen.data import Space
from minigen.diffusion import CLEAN, Mixture, by_classifier, cosine_schedule, heun
from minigen.models.classifiers import NoisyClassifier
from minigen.models.diffusion import DDPM, ClassifierGuided
from minigen.nn import Frozen, UNet
from minigen.optim import Adam

P = Mixture([0.7, 0.2, 0.1], [[0.6, 0.0], [-0.6, 0.0], [0.0, 0.9]], 0.3)
DIGITS, CLASSES, SCHEDULE = Space((1, 8, 8), 17), Space((), 10), cosine_schedule(50)
N = 4000


def log_p(x_t, level, k):
    return P.log_class(x_t, level)[:, k]


def misses(guided, k=1):
    """The largest z-score of the moments of samples beside those of component k: about 2 if they are p(x | y)."""
    levels = cosine_schedule(1000).levels(60)[1:]
    x = to_numpy(heun(guided, normal(backend.rng(0), (N, 2), np.float64), levels))
    mean = np.abs(x.mean(axis=0) - P.means[k]) / (P.sigma / math.sqrt(N))
    width = np.abs(x.std(axis=0) / P.sigma - 1) * math.sqrt(2 * N)
    return max(mean.max(), width.max())


@pytest.mark.parametrize("k", [0, 2])
def test_scale_one_with_the_exact_classifier_draws_the_class(k):
    """Bayes' rule: mean and widths of p(x | y) within sampling error."""
    assert misses(by_classifier(P.denoise, partial(log_p, k=k), 1.0), k) < 5


def clean(x_t, level):
    """A classifier that was trained on clean images only."""
    return log_p(x_t, CLEAN, 1)


def scaled(log_p, factor):
    """by_classifier without a factor: log_p is multiplied by its inverse."""
    return lambda x_t, level: log_p(x_t, level) * factor(level)


BROKEN = {
    "clean classifier": clean,
    "other sign": scaled(partial(log_p, k=1), lambda level: -1.0),
    "no Sigma": scaled(partial(log_p, k=1), lambda level: level.a / level.s**2),
    "root of Sigma": scaled(partial(log_p, k=1), lambda level: level.a / level.s),
    "wrong axis": lambda x_t, level: log_softmax(P.log_joint(x_t, level), axis=0)[:, 1],
    "unnormalized": lambda x_t, level: P.log_joint(x_t, level)[:, 1],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_wrong_gradient_draws_something_else(name):
    assert misses(by_classifier(P.denoise, BROKEN[name], 1.0)) > 10


def test_more_guidance_is_surer_and_less_various():
    surer, spread = [], []
    x_T = normal(backend.rng(1), (1000, 2), np.float64)
    for w in (0.0, 1.0, 4.0):
        x = heun(by_classifier(P.denoise, partial(log_p, k=1), w), x_T, cosine_schedule(1000).levels(40)[1:])
        surer.append(np.exp(P.log_class(x).numpy()[:, 1]).mean())
        spread.append(to_numpy(x).std(axis=0).sum())
    assert surer[0] < 0.3 and surer[0] < surer[1] < surer[2] and spread[0] > spread[1] > spread[2]


# The classifier of noisy images, and the model of the two parts


def classifier(seed=0, T=SCHEDULE):
    return NoisyClassifier(DIGITS, CLASSES, T, width=8, groups=4, rng=backend.rng(seed))


def parts():
    rng = backend.rng(1)
    diffusion = DDPM(UNet(1, width=8, multipliers=(1,), blocks=1, groups=4, rng=rng), SCHEDULE, DIGITS)
    return Frozen(diffusion), Frozen(classifier())


def two_kinds(n, rng):
    """Images that are bright above (class 0) or below (1)."""
    y = rng.integers(2, size=n)
    x = rng.integers(0, 4, (n, 1, 8, 8))
    x[y == 0, :, :4] += 12
    x[y == 1, :, 4:] += 12
    return {"x": x.astype(np.uint8), "y": y}


def test_the_classifier_learns_and_knows_nothing_of_noise():
    """Near 1 where there is an image, near chance where there is none: as it should be."""
    model, rng = NoisyClassifier(DIGITS, Space((), 2), SCHEDULE, width=8, groups=4, rng=backend.rng(0)), backend.rng(2)
    optimizer = Adam(model.parameters(), 5e-3)
    for _ in range(40):
        optimizer.step(grad(model.loss(two_kinds(32, rng), rng)["cross entropy"], optimizer.params))
    accuracies = [measure.value for measure in model.measure(two_kinds(200, rng), rng)]
    assert accuracies[0] > 0.95 and 0.35 < accuracies[-1] < 0.65


def test_log_class_is_the_log_probability_of_the_class():
    model, x = classifier(), normal(backend.rng(3), (5, 1, 8, 8))
    y, level = np.array([3, 1, 4, 1, 5]), SCHEDULE.level(20)
    leaf = parameter(x)
    said = model.log_class(y)(leaf, level)
    logits = model(Tensor(x), np.full(5, 20))
    np.testing.assert_allclose(said.numpy(), log_softmax(logits, axis=1).numpy()[np.arange(5), y], rtol=1e-5)
    g = grad(said.sum(), leaf).numpy()
    h = 1e-2 * g[0] / np.linalg.norm(g[0])
    up, down = (model.log_class(y[:1])(Tensor(asarray(to_numpy(x[:1]) + sign * h)), level).item() for sign in (1, -1))
    assert (up - down) / 2e-2 == pytest.approx(np.linalg.norm(g[0]), rel=0.02)


def test_the_model_draws_with_frozen_parts():
    diffusion, judge = parts()
    model = ClassifierGuided(diffusion, judge, steps=4)
    assert model.parameters() == [] and model.conditions == ("y",)
    x = model.sample(5, backend.rng(4), y=np.arange(5))
    assert x.shape == (5, 1, 8, 8) and np.isfinite(x).all()
    plain = model.sample(5, backend.rng(4), y=np.arange(5), w=0.0)
    rng = backend.rng(4)
    expected = model.sampler(diffusion.denoise, normal(rng, (5, 1, 8, 8)), model.levels, rng=rng)
    np.testing.assert_array_equal(plain, DIGITS.from_signed(expected))  # w = 0 is the diffusion itself, bit for bit
    names = [measure.name for measure in model.measure({"x": np.zeros((4, 1, 8, 8), np.uint8), "y": np.arange(4)},
                                                       backend.rng(5))]
    assert names[0] == "NLL" and names[-1] == "accuracy, t = 50"


@pytest.mark.parametrize("call, message", [
    (lambda: ClassifierGuided(parts()[0], Frozen(classifier(T=cosine_schedule(20)))), "train both on the same"),
    (lambda: ClassifierGuided(*parts(), steps=3).sample(2, backend.rng(0), y=[1]), "y has 1 classes, expected 2"),
    (lambda: ClassifierGuided(*parts(), steps=3).sample(1, backend.rng(0), y=[11]), "y holds values from 11 to 11"),
    (lambda: NoisyClassifier(Space((2,)), CLASSES, SCHEDULE, rng=backend.rng(0)), "expected images, and a class for each"),
    (lambda: classifier().loss({"x": np.zeros((2, 1, 8, 8), np.uint8)}, backend.rng(0)), "have no labels"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)
