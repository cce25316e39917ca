"""Walks and arithmetic in the space of z, with a generator whose images say which z they are of."""
import numpy as np
import pytest
from scipy.linalg import expm

from minigen import latents
from minigen.data import Space


class Shows:
    """decode(z) is z itself, as an image of one row."""

    latent = 6

    def decode(self, z):
        return np.asarray(z)[:, None, None, :]


class Halves(Shows):
    """Its reconstructions are half as bright."""

    space = Space((1, 1, 2), 5)

    def reconstruct(self, x):
        return self.space.drawn(x) / 2


def z(n, seed=0, Z=6):
    return np.random.default_rng(seed).standard_normal((n, Z))


def test_reconstructions_are_below_their_images():
    x = np.arange(4).repeat(2).reshape(4, 1, 1, 2)
    rows = latents.reconstructions(Halves(), x, columns=2)
    np.testing.assert_allclose(rows[:, 0, 0, 0] * 4, [0, 1, 0, 0.5, 2, 3, 1, 1.5])
    with pytest.raises(ValueError, match="reconstructions: 3 images do not fill rows of 2"):
        latents.reconstructions(Halves(), x[:3], columns=2)


def test_slerp_is_the_rotation_from_one_to_the_other():
    """By the matrix exponential of the plane's rotation."""
    a, b = z(2)
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    angle = np.arccos(a @ b)
    c = (b - (a @ b) * a) / np.sin(angle)  # a and c span the plane, at a right angle
    for t in 0.0, 0.2, 0.5, 1.0:
        rotated = expm(t * angle * (np.outer(c, a) - np.outer(a, c))) @ a
        np.testing.assert_allclose(latents.slerp(a, b, t), rotated, atol=1e-12)


def test_slerp_keeps_the_length_and_a_straight_line_does_not():
    a, b = z(200, 1, 100), z(200, 2, 100)
    a, b = (10 * x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    np.testing.assert_allclose(np.linalg.norm(latents.slerp(a, b, 0.5), axis=1), 10)
    assert np.linalg.norm((a + b) / 2, axis=1).mean() == pytest.approx(10 / np.sqrt(2), rel=0.02)


def test_slerp_ends_and_where_the_sphere_does_not_matter():
    a, b = z(5, 1), 2 * z(5, 2)
    np.testing.assert_allclose(latents.slerp(a, b, 0.0), a, atol=1e-12)
    np.testing.assert_allclose(latents.slerp(a, b, 1.0), b, atol=1e-12)
    np.testing.assert_allclose(latents.slerp(a, 3 * a, 0.25), 1.5 * a)  # one direction: the straight line
    with pytest.raises(ValueError, match="slerp: z0 and z1 are opposite"):
        latents.slerp(a, -a, 0.5)


def test_interpolate_row_by_row():
    a, b = z(3, 1), z(3, 2)
    rows = latents.interpolate(Shows(), a, b, steps=5).reshape(3, 5, 6)
    np.testing.assert_allclose(rows[:, 0], a)
    np.testing.assert_allclose(rows[:, 4], b)
    np.testing.assert_allclose(rows[:, 2], (a + b) / 2)
    around = latents.interpolate(Shows(), a, b, steps=3, path=latents.slerp)
    np.testing.assert_allclose(around.reshape(3, 3, 6)[:, 1], latents.slerp(a, b, 0.5))


def test_draws_of_a_kind_have_the_distribution_of_that_kind():
    """Wanted: z1 > 0. Then z1 is half normal, mean sqrt(2 / pi), and the others are as ever."""
    drawn = latents.draw_like(Shows(), lambda x: x[:, 0, 0, 0] > 0, 2000, np.random.default_rng(0))
    assert drawn.shape == (2000, 6) and drawn[:, 0].min() > 0
    error = 4 / np.sqrt(2000)
    assert abs(drawn[:, 0].mean() - np.sqrt(2 / np.pi)) < error and np.abs(drawn[:, 1:].mean(axis=0)).max() < error


def test_what_is_never_drawn():
    with pytest.raises(RuntimeError, match="only 0 of 1,000 samples are wanted, not 3; train the model longer"):
        latents.draw_like(Shows(), lambda x: x[:, 0, 0, 0] > 100, 3, np.random.default_rng(0), most=1000)


def test_arithmetic_of_means():
    """Kinds that are N(m, I): what is left is m_A - m_B + m_C, to four standard errors of three means of 500."""
    means = 3 * z(3, 7)
    kinds = [m + z(500, seed) for seed, m in enumerate(means)]
    a, b, c = means
    assert np.abs(latents.arithmetic(*kinds) - (a - b + c)).max() < 4 * np.sqrt(3 / 500)


class Levels(Shows):
    """Encodes an image of gray levels as itself, and decodes to half of it."""

    space = Space((1, 1, 2), 5)
    encode = staticmethod(lambda x: np.float64(x.reshape(len(x), -1)))
    decode = staticmethod(lambda z: z.reshape(-1, 1, 1, 2) / 8)

    def reconstruct(self, x):
        return self.decode(self.encode(x))


def test_errors_of_an_edit_by_hand():
    """x = (4, 0) should become (4, 2), as the second has become 2 in both; only that pixel counts."""
    x, truth = np.array([[4, 0], [0, 4]]).reshape(2, 1, 1, 2), np.array([[4, 2], [0, 2]]).reshape(2, 1, 1, 2)
    errors = latents.edit_errors(Levels(), x, truth, np.array([9.0, 2.0]))
    expected = {"not edited": [0.5, 0.5], "only reconstructed": [0.5, 0.0], "edited": [0.25, 0.25],
                "the truth, reconstructed": [0.25, 0.25]}
    for name, values in expected.items():
        np.testing.assert_allclose(errors[name], values)
    with pytest.raises(ValueError, match="edit_errors: 1 of 2 images are as before the edit; leave them out"):
        latents.edit_errors(Levels(), x, np.stack([truth[0], x[1]]), np.zeros(2))


def test_codes_without_an_encoder():
    """What images do by way of their codes, codes do: of a GAN."""
    codes = z(50, 3) * [3, 1, 1, 1, 2, 1]
    rows = latents.traverse_codes(Shows(), codes, rows=2, steps=3, span=2.0).reshape(2, 3, 6)
    assert np.ptp(rows[0, :, 0]) == pytest.approx(4 * codes[:, 0].std()) and np.ptp(rows[1, :, 4]) > 4
    np.testing.assert_allclose(rows[0, :, 1:], np.tile(codes[0, 1:], (3, 1)))
    moved = latents.shift_codes(Shows(), codes[:4], np.ones(6), steps=3).reshape(4, 3, 6)
    np.testing.assert_allclose(moved, codes[:4, None] + [[0], [0.5], [1]] * np.ones(6))
