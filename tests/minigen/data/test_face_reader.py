"""The reader of faces: exact on real ones, its errors those of compositions, and hard to disturb."""
import numpy as np
import pytest

from minigen.data import faces
from minigen.data.face_reader import COLOUR_OF, STARTS, _errors, read, shows


def rng(seed=0):
    return np.random.default_rng(seed)


def real(n, seed=0):
    attributes = faces.draw_attributes(n, rng(seed))
    return attributes, faces.compose(attributes)


def test_real_faces_are_read_without_a_mistake():
    """The composition that is found is the face; and of what can be seen, nothing is taken for something else."""
    attributes, x = real(150)
    found, error = read(x)
    np.testing.assert_array_equal(faces.compose(found), x)
    assert error.max() < 0.3
    for name, values in attributes.items():
        assert shows(x, found, name, values).all(), name
        changed = found | {name: values}
        np.testing.assert_array_equal(faces.compose(changed), x)  # where they differ, it is hidden
    seen = {name: (found[name] == values).mean() for name, values in attributes.items()}
    assert min(seen[name] for name in ("skin colour", "mouth", "hat", "clothing colour")) == 1
    assert seen["hair colour"] > 0.9 and shows(x, found, "hair colour", (attributes["hair colour"] + 1) % 11).mean() < 0.1


@pytest.mark.parametrize("part", ["hair", "beard", "glasses", "hat"])
def test_the_errors_are_those_of_compositions(part):
    """Of every variant in every colour; hair and beard have one colour, and what is above and below is there."""
    attributes, x = real(6, seed=1)
    attributes = faces.edited(attributes, beard=3, hat=2, glasses=5)
    errors = _errors(np.float32(x).transpose(0, 2, 3, 1), attributes, part)
    colour = f"{COLOUR_OF[part]} colour"
    assert errors.shape == (6, faces.counts()[part], faces.counts()[colour])
    for v, c in zip(*(g.integers(size, size=30) for g, size in zip((rng(2), rng(3)), errors.shape[1:]))):
        composed = faces.compose(attributes | {part: np.full(6, v), colour: np.full(6, c)})
        exact = ((np.float64(x) - composed) ** 2).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(errors[:, v, c], exact, rtol=0.01, atol=300)  # composed is rounded


def test_a_little_noise_disturbs_little():
    """Of standard deviation 5 of 255: what covers pixels is read as before, and the error is the noise. The three
    browns are 10 of 255 apart, in one channel."""
    attributes, x = real(80, seed=4)
    clean, _ = read(x)
    found, error = read(x + rng(5).normal(0, 5, x.shape), starts=2)
    assert error.mean() == pytest.approx(5, rel=0.1)
    for name in "hair", "hat", "skin colour", "clothing colour", "mouth":
        assert (found[name] == clean[name]).mean() >= 0.98, name
    assert shows(x, found, "hair colour", attributes["hair colour"]).mean() >= 0.95
    assert ((found["glasses"] > 0) == (attributes["glasses"] > 0)).mean() >= 0.97


def test_what_is_no_face_is_far_from_all():
    _, x = real(40, seed=6)
    noise = rng(7).integers(0, 256, x.shape)
    between = (np.float32(x[:20]) + x[20:]) / 2
    for images, least in (noise, 60), (between, 15), (x[:, :, ::-1], 30):
        assert np.median(read(images, starts=1)[1]) > least


def test_a_search_that_begins_once_gets_caught():
    """The trap: one start ends, now and then, at glasses that are none; the starts that follow find the face."""
    _, x = real(200, seed=8)
    once = read(x, starts=1)[1]
    assert 3 <= (once > 1).sum() < 20
    assert read(x[once > 1], starts=STARTS)[1].max() < 0.3


def test_none_is_read_and_bad_ones_are_refused():
    found, error = read(np.zeros((0, 3, 16, 16)))
    assert len(error) == 0 and set(found) == set(faces.counts())
    with pytest.raises(ValueError, match=r"read: faces have shape \(2, 16, 16, 3\), expected \(n, 3, 16, 16\)"):
        read(np.zeros((2, 16, 16, 3)))
