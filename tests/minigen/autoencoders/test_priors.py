"""Priors against their own formulas: moments, known densities, and the parts that belong to classes."""
import numpy as np
import pytest
from scipy.spatial.distance import pdist

from autograd.backend import rng, to_numpy
from minigen.autoencoders.priors import Normal, Petals, SwissRoll, Toy
from minigen.data import log_density
from minigen.metrics import energy_distance

PRIORS = [Normal(5), Normal(2, sigma=5.0), Petals(), Petals(4), SwissRoll(), Toy("ring"), Toy("checkerboard")]


def drawn(prior, n, seed=0, y=None):
    return to_numpy(prior.draw(n, rng(seed), y))


@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: type(prior).__name__)
def test_draws(prior):
    z = drawn(prior, 3000)
    assert z.shape == (3000, prior.latent) and z.dtype == np.float32 and drawn(prior, 0).shape == (0, prior.latent)
    np.testing.assert_array_equal(z, drawn(prior, 3000))  # the same seed, the same draws
    assert prior.apart == pytest.approx((pdist(np.float64(z)) ** 2).mean(), rel=0.05)  # E |z - z'|^2


@pytest.mark.parametrize("prior", [Petals(), SwissRoll()])
def test_classes_are_parts_that_make_up_the_whole(prior):
    y = np.arange(2000) % 10
    whole, parts = drawn(prior, 2000, 1), drawn(prior, 2000, 2, y)
    by_chance = [energy_distance(drawn(prior, 2000, i), drawn(prior, 2000, i + 50)) for i in range(3, 9)]
    assert abs(energy_distance(whole, parts)) < 3 * np.abs(by_chance).max()
    assert energy_distance(whole[:200], parts[y == 3]) > 1  # one part is not the whole
    nearest = np.argsort(((parts[:, None] - parts[None]) ** 2).sum(axis=2), axis=1)[:, 1]
    assert (y[nearest] == y).mean() > 0.9  # what is near is of the same class


def test_petals_by_their_formula():
    z, angle = drawn(Petals(10, 3.0, (0.7, 0.25)), 50_000, y=np.full(50_000, 2)), 2 * np.pi * 2 / 10
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    np.testing.assert_allclose([(z @ along).mean(), (z @ across).mean()], [3, 0], atol=0.02)
    np.testing.assert_allclose([(z @ along).std(), (z @ across).std()], [0.7, 0.25], rtol=0.02)


def test_the_roll_is_that_of_the_toys():
    """Its mean log-density under the toy's exact one is the toy's own entropy."""
    of_ours, of_toy = (log_density("swiss_roll")(drawn(prior, 4000, 1)) for prior in (SwissRoll(), Toy("swiss_roll")))
    error = np.hypot(of_ours.std(), of_toy.std()) / np.sqrt(4000)
    assert of_ours.mean() == pytest.approx(of_toy.mean(), abs=4 * error) and error < 0.03
    radius = np.linalg.norm(drawn(SwissRoll(), 4000, 1, np.arange(4000) % 10), axis=1)
    assert np.all(np.diff([radius[k::10].mean() for k in range(10)]) > 0)  # from the inside out


@pytest.mark.parametrize("call, message", [
    (lambda: Normal(0), "latent is 0, sigma is 1.0, expected at least 1 and more than 0"),
    (lambda: Normal(2, sigma=0.0), "sigma is 0.0, expected"),
    (lambda: Petals(0), "Petals: classes is 0, expected at least 1"),
    (lambda: SwissRoll(0), "SwissRoll: classes is 0, expected at least 1"),
    (lambda: Toy("rolls"), "Toy: name is 'rolls', expected one of two_moons"),
    (lambda: drawn(Normal(2), 3, y=np.arange(3)), "Normal.draw: y is given, and this prior has no classes"),
    (lambda: drawn(Petals(), 3, y=np.arange(2)), "Petals.draw: y has 2 entries for n = 3 codes"),
    (lambda: drawn(Petals(), 2, y=np.array([0, 10])), "y holds values from 0 to 10, expected 0 to 9"),
])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
