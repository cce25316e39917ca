"""Faces: composed as an independent loop over pixels composes them, with exact edits."""
import numpy as np
import pytest

from minigen import data
from minigen.data import faces, images


def rng(seed=0):
    return np.random.default_rng(seed)


def by_pixels(attributes, i):
    """Face i, by the sentence of the header, pixel by pixel from the file as it is stored."""
    with np.load(images.SHIPPED / "faces.npz") as stored:
        x = np.full((16, 16, 3), 255.0)
        for part in ("head", "accessories", "clothes", "eyes", "glasses", "beard", "mouth", "hair", "hat"):
            if attributes[part][i] == 0:
                continue
            layer = np.float64(stored[part][attributes[part][i] - 1])
            slot = {"head": "skin", "clothes": "clothing", "beard": "hair"}.get(part, part)
            colour = stored[f"colour_{slot}"][attributes[f"{slot} colour"][i]]
            for row in range(16):
                for column in range(16):
                    t, a, *k = layer[row, column]
                    x[row, column] = t / 255 * x[row, column] + a / 255 * colour + k
    return x.transpose(2, 0, 1)


def test_faces_are_what_the_layers_say():
    attributes = faces.draw_attributes(40, rng())
    composed = faces.compose(attributes)
    assert composed.shape == (40, 3, 16, 16) and composed.dtype == np.uint8
    for i in range(40):
        assert abs(composed[i] - by_pixels(attributes, i).clip(0, 255)).max() <= 0.5001


def test_an_edit_changes_what_it_names_and_nothing_else():
    attributes = faces.draw_attributes(200, rng())
    plain = faces.edited(attributes, glasses=0, hat=0, beard=0)
    x, glasses, hat = (faces.compose(a) for a in (plain, faces.edited(plain, glasses=3), faces.edited(plain, hat=2)))
    changed = (x != glasses).any(axis=(0, 1))
    assert changed[4:11].any() and not changed[:4].any() and not changed[11:].any()  # around the eyes
    assert (x != hat).any(axis=(0, 1))[:6].any() and not (x != hat).any(axis=(0, 1))[9:].any()
    recoloured = faces.edited(plain, hair_colour=8)
    np.testing.assert_array_equal(recoloured["hair colour"], 8)
    np.testing.assert_array_equal(recoloured["skin colour"], plain["skin colour"])


def test_the_set_is_its_attributes():
    test = data.load("faces", "test")
    attributes = faces.of_split("test")
    np.testing.assert_array_equal(test["x"], faces.compose(attributes))
    np.testing.assert_array_equal(test["y"], attributes["hair colour"])
    assert test.spaces["y"].names == faces.HAIR_COLOURS
    train = data.load("faces")
    seen = {x.tobytes() for x in train["x"]}
    assert sum(x.tobytes() in seen for x in test["x"]) <= 5  # of 1,000: two splits are not the same draws


def test_parts_are_as_frequent_as_the_table_says():
    attributes = faces.draw_attributes(20_000, rng())
    for name, share in faces.PARTS.items():
        assert (attributes[name] > 0).mean() == pytest.approx(share, abs=0.02)
    counts = np.bincount(attributes["hair colour"], minlength=11)
    assert abs(counts / 20_000 - 1 / 11).max() < 0.01


def test_bad_attributes_are_one_clear_line():
    attributes = faces.draw_attributes(3, rng())
    with pytest.raises(ValueError, match="attribute 'hats' is none of head, accessories"):
        faces.compose(attributes | {"hats": np.zeros(3, int)})
    with pytest.raises(ValueError, match="attribute 'hat' is missing"):
        faces.compose({name: values for name, values in attributes.items() if name != "hat"})
    with pytest.raises(ValueError, match="attribute 'hat' must be integers from 0 to 10"):
        faces.compose(faces.edited(attributes, hat=11))
