"""The sliced distance is the earth mover's where that is known, and the pyramid loses nothing."""
import numpy as np
import pytest
from scipy import ndimage

from minigen import data
from minigen.judges import sliced_measures
from minigen.sliced import LEAST, _blurred, descriptors, pyramid, sliced_distances, sliced_wasserstein


def rng(seed=0):
    return np.random.default_rng(seed)


def test_of_a_cloud_that_has_moved_it_is_how_far_along_each_direction():
    """E |m . d| of a uniform direction d in the plane is 2 |m| / pi."""
    a = rng().standard_normal((500, 2))
    m = np.array([3.0, 4.0])
    assert sliced_wasserstein(a, a + m, rng(1), directions=4000) == pytest.approx(10 / np.pi, rel=0.02)
    assert sliced_wasserstein(a, a[::-1], rng(1)) == pytest.approx(0, abs=1e-12)  # in another order
    wide = sliced_wasserstein(a, 3 * a, rng(1), directions=4000)  # along any direction E |3 x - x| = 2 E |x|
    assert wide == pytest.approx(2 * np.abs(a @ [1, 0]).mean(), rel=0.05)
    with pytest.raises(ValueError, match="give as many points of each"):
        sliced_wasserstein(a, a[:3], rng())


def test_the_levels_add_up_to_the_images():
    x = np.float32(rng().random((3, 2, 64, 64)))
    levels = pyramid(x)
    assert [level.shape[-1] for level in levels] == [64, 32, 16] and levels[-1].shape[-1] == LEAST
    again = levels[-1]
    for level in levels[-2::-1]:
        spread = np.zeros_like(level)
        spread[:, :, ::2, ::2] = 4 * again
        again = level + _blurred(spread)
    np.testing.assert_allclose(again, x, atol=1e-5)
    flat = pyramid(np.full((1, 1, 32, 32), 0.5, np.float32))[0]
    assert abs(flat[:, :, 4:-4, 4:-4]).max() < 1e-6  # no structure


def test_descriptors_are_patches_of_mean_zero_and_deviation_one():
    level = np.float32(rng().random((4, 3, 16, 16)) + [[[[0.0]], [[5.0]], [[0.0]]]])
    places = rng(2).random((4, 6, 2))
    found = descriptors(level, places).reshape(4 * 6, 3, 49)
    np.testing.assert_allclose(found.mean(axis=(0, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=(0, 2)), 1, rtol=1e-4)
    row, column = (places[1, 2] * 10).astype(int)
    patch = level[1, :, row : row + 7, column : column + 7].reshape(3, 49)
    np.testing.assert_allclose(np.corrcoef(found[6 + 2].ravel(), (patch - level.mean(axis=(0, 2, 3))[:, None]).ravel()),
                               1, atol=1e-2)


def test_each_fault_shows_on_its_scale():
    critters = data.load("critters")
    x = critters.spaces["x"].drawn(critters["x"][:400])
    a, b = x[:200], x[200:]
    floor = sliced_distances(a, b, rng())
    assert set(floor) == {32, 16}
    blurred = sliced_distances(ndimage.gaussian_filter(b, (0, 0, 0.7, 0.7)), b, rng())
    few = sliced_distances(b[:8].repeat(25, axis=0), b, rng())
    assert blurred[32] > 1.3 * floor[32] and blurred[16] < floor[16]
    assert few[16] > 1.5 * floor[16]
    measures = sliced_measures(a, x[:200], b)
    assert [m.name for m in measures] == ["sliced distance, 32 pixels", "sliced distance, 16 pixels"]
    assert measures[0].value == pytest.approx(floor[32]) and f"the training set: {floor[32]:.3g}" in measures[0].detail
