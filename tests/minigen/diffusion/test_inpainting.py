"""Inpainting of a Gaussian in the plane, one number known: what the other should be given it is a formula."""
import numpy as np
import pytest

from autograd import backend
from autograd.backend import asarray, normal, to_numpy, xp
from minigen.data import Space
from minigen.diffusion import cosine_schedule, fill_in, inpainting, repaint, seam
from minigen.diffusion.levels import noised

RHO, N = 0.9, 4000
C = np.array([[1.0, RHO], [RHO, 1.0]])
LEVELS = cosine_schedule(1000).levels(30)
MASK = np.array([True, False])  # the first number is known, 1.5: the second is N(1.5 rho, 1 - rho^2)
MEAN, WIDTH = 1.5 * RHO, np.sqrt(1 - RHO**2)


def denoise(x_t, level):
    """E[x_0 | x_t] of N(0, C)."""
    gain = level.a * C @ np.linalg.inv(level.a**2 * C + level.s**2 * np.eye(2))
    return x_t @ asarray(gain.T)


def painted(known=1.5, **arguments):
    rng = backend.rng(0)
    x_T = normal(rng, (N, 2), np.float64)
    given = asarray(np.stack([np.full(N, known), np.zeros(N)], axis=1))
    return to_numpy(repaint(denoise, x_T, LEVELS, rng=rng, known=given, mask=MASK, **arguments))


def off(x):
    """How far mean and width of what was drawn are from the formula's, in its widths."""
    return max(abs(x[:, 1].mean() - MEAN) / WIDTH, abs(x[:, 1].std() / WIDTH - 1))


def test_known_pixels_stay_bit_for_bit():
    assert (painted(resample=3)[:, 0] == 1.5).all() and (painted(resample=2, jump=4)[:, 0] == 1.5).all()


def test_resampling_comes_nearer_to_what_follows_from_the_known():
    """Replacement alone is far off, r = 10 is near."""
    errors = [off(painted(resample=r)) for r in (1, 3, 10)]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.25 < 0.5 * errors[0], errors


def test_jumps_do_as_well():
    assert off(painted(resample=10, jump=5)) < 0.5 * off(painted(resample=1))


@pytest.fixture
def broken(monkeypatch):
    def put(name):
        if name == "known noised to t":
            above = {s: t for t, s in zip(LEVELS, LEVELS[1:])}
            monkeypatch.setattr(inpainting, "noised", lambda x, eps, s: noised(x, eps, above[s]))
        elif name == "not put back at the last step":
            monkeypatch.setattr(inpainting, "noised", lambda x, eps, s: noised(x, eps, s if s.s > 0 else LEVELS[-2]))
        elif name == "no noise on the way up":
            monkeypatch.setattr(inpainting, "_up", lambda x, s, t, rng: x)

    return put


@pytest.mark.parametrize("name", ["known noised to t", "not put back at the last step"])
def test_known_pixels_that_are_blurred_are_noticed(broken, name):
    broken(name)
    assert not (painted(resample=2)[:, 0] == 1.5).all()


def test_a_way_up_without_noise_is_noticed(broken):
    broken("no noise on the way up")
    assert off(painted(resample=10)) > 0.4


def test_a_mask_that_is_not_passed_is_noticed():
    """Without it the second number is N(0, 1)."""
    rng = backend.rng(0)
    x = to_numpy(repaint(denoise, normal(rng, (N, 2), np.float64), LEVELS, rng=rng, known=xp.zeros((N, 2)),
                         mask=np.array([False, False]), resample=1))
    assert off(x) > 2 and abs(x[:, 1].mean()) < 0.1 and x[:, 1].std() == pytest.approx(1.0, abs=0.1)


def test_resampling_is_within_the_step_not_around_all_of_them():
    """Whole descents repeated end as one does: as far off as replacement."""
    rng = backend.rng(0)
    x = normal(rng, (N, 2), np.float64)
    given = asarray(np.stack([np.full(N, 1.5), np.zeros(N)], axis=1))
    for _ in range(3):
        x = repaint(denoise, normal(rng, (N, 2), np.float64), LEVELS, rng=rng, known=given, mask=MASK, resample=1)
    assert off(to_numpy(x)) > 0.8 * off(painted(resample=1)) > 2 * off(painted(resample=10))


class Model:
    """What fill_in asks of a model: says that every image is gray."""

    space, levels = Space((1, 4, 6), 17), LEVELS

    def denoise(self, x_t, level):
        return 0.0 * x_t


IMAGES = backend.rng(4).integers(0, 17, (5, 1, 4, 6)).astype(np.uint8)
LOWER = np.arange(4)[:, None].repeat(6, axis=1) >= 2


@pytest.mark.parametrize("mask", [LOWER, LOWER[None], np.stack([LOWER ^ (i % 2 == 0) for i in range(5)])[:, None]])
def test_fill_in_keeps_the_known_pixels_of_integer_images(mask):
    x, whole = fill_in(Model(), IMAGES, mask, backend.rng(5), resample=2), Model.space.drawn(IMAGES)
    known = np.broadcast_to(mask, x.shape)
    assert (x[known] == whole[known]).all() and np.allclose(x[~known], 0.5)


def test_seam_is_the_difference_across_the_border():
    """By hand; and, for a random mask, over all pairs of neighbours."""
    rows = np.array([0.1, 0.1, 0.7, 0.9])[None, None, :, None].repeat(6, axis=3)
    np.testing.assert_allclose(seam(rows, LOWER), [0.6])
    rng = backend.rng(6)
    x, mask = rng.random((3, 2, 5, 4)), rng.random((5, 4)) < 0.5
    pairs = [abs(x[:, :, i, j] - x[:, :, k, l]).mean(axis=1) for i in range(5) for j in range(4)
             for k, l in ((i + 1, j), (i, j + 1)) if k < 5 and l < 4 and mask[i, j] != mask[k, l]]
    np.testing.assert_allclose(seam(x, mask), np.mean(pairs, axis=0))


@pytest.mark.parametrize("call, message", [
    (lambda: fill_in(Model(), IMAGES, LOWER[:3], None), "mask is bool of shape (3, 6), expected booleans, True where"),
    (lambda: fill_in(Model(), IMAGES, LOWER * 1, None), "mask is int64 of shape (4, 6), expected booleans"),
    (lambda: fill_in(Model(), IMAGES + 30, LOWER, None), "x holds values from"),
    (lambda: painted(resample=0), "resample is 0, jump is 1, expected at least 1 each"),
    (lambda: repaint(denoise, xp.zeros((3, 2)), LEVELS, rng=None, known=xp.zeros((2, 2)), mask=MASK), "known has shape (2, 2)"),
    (lambda: repaint(denoise, xp.zeros((3, 2)), LEVELS[::-1], rng=None, known=xp.zeros((3, 2)), mask=MASK), "is no lower"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)
