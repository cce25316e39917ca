"""The bilinear game: each rule of play against the linear map that it is, and the cures on a game with a saddle."""
import numpy as np
import pytest

from autograd import exp
from minigen.adversarial.dynamics import RULES, alternating, extragradient, field, optimistic, play, simultaneous

J = np.array([[0.0, 1.0], [-1.0, 0.0]])  # v(w) = J w for f = x y
ONE = np.eye(2)
bilinear = lambda x, y: x * y


def maps(eta):
    """Rule -> what it multiplies w by in a step; of optimism, what it multiplies (w, the gradient before) by."""
    first, second = ONE - eta * np.diag([1.0, 0]) @ J, ONE - eta * np.diag([0, 1.0]) @ J
    return {simultaneous: ONE - eta * J, alternating: second @ first, extragradient: ONE - eta * J @ (ONE - eta * J),
            optimistic: np.block([[ONE - 2 * eta * J, eta * ONE], [J, 0 * ONE]])}


def rate(rule, eta):
    return abs(np.linalg.eigvals(maps(eta)[rule])).max()


def test_field_of_the_game():
    v = field(lambda x, y: x * x * y + exp(y))
    np.testing.assert_allclose(v(np.array([3.0, 0.5])), [2 * 3 * 0.5, -(9 + np.exp(0.5))])


@pytest.mark.parametrize("rule", RULES.values())
@pytest.mark.parametrize("eta", [0.05, 0.3])
def test_each_rule_is_its_linear_map(rule, eta):
    start = np.array([1.0, -0.4])
    path = play(rule, bilinear, start, eta, 20)
    assert path.shape == (21, 2)
    w = np.concatenate([start, J @ start]) if rule is optimistic else start
    for point in path:
        np.testing.assert_allclose(point, w[:2], atol=1e-12)
        w = maps(eta)[rule] @ w


@pytest.mark.parametrize("eta", [0.05, 0.3])
def test_rates_that_the_file_states(eta):
    assert rate(simultaneous, eta) == pytest.approx(np.sqrt(1 + eta**2)) and rate(simultaneous, eta) > 1
    assert rate(alternating, eta) == pytest.approx(1)
    assert rate(extragradient, eta) == pytest.approx(np.sqrt(1 - eta**2 + eta**4)) and rate(extragradient, eta) < 1
    assert rate(optimistic, eta) == pytest.approx(np.sqrt((1 + np.sqrt(1 - 4 * eta**2)) / 2))


def test_alternating_play_stays_on_an_ellipse():
    x, y = play(alternating, bilinear, [1.0, 0.5], 0.2, 5000).T
    np.testing.assert_allclose(x * x + y * y - 0.2 * x * y, 1.15, rtol=1e-9)


def test_the_mean_of_alternating_play_goes_to_the_equilibrium_as_1_over_steps():
    w = play(alternating, bilinear, [1.0, 0.0], 0.1, 10_000)
    sums = np.linalg.norm(np.cumsum(w, axis=0), axis=1)  # bounded: so the mean is at most a constant over steps
    assert sums.max() < 25  # twice the radius of the circle, over eta, is 20; the ellipse is a little longer


def test_many_games_at_once():
    """Elementwise games side by side: the paths are those of each alone."""
    starts = np.array([[1.0, -2.0, 0.3], [0.0, 0.5, 0.7]])
    together = play(extragradient, lambda x, y: (x * y).sum(), starts, 0.2, 10)
    assert together.shape == (11, 2, 3)
    for i in range(3):
        np.testing.assert_allclose(together[:, :, i], play(extragradient, bilinear, starts[:, i], 0.2, 10))


@pytest.mark.parametrize("rule", RULES.values())
def test_all_rules_agree_where_there_is_no_rotation(rule):
    """f = x^2 - y^2: each player's own bowl, whose bottom all rules find."""
    path = play(rule, lambda x, y: x * x - y * y, [1.0, -1.0], 0.1, 200)
    assert np.abs(path[-1]).max() < 1e-6
