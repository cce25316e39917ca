"""Sets for translation: pairs are pairs, edits are exact, and unpaired sets share no letter in training."""
import numpy as np

from minigen import data
from minigen.data import Space, faces, glyphs
from minigen.data.face_reader import read
from minigen.data.translations import HAIR, LABELS
from minigen.metrics import nearest_is_own


def test_emoji_are_pairs():
    """The picture is where the drawing is; no picture of the test split is in training; other drawings fit worse."""
    splits = [data.load("emoji", split) for split in data.SPLITS]
    assert [s.spaces["source"] for s in splits] == [Space((1, 32, 32), 16)] * 3 and "y" not in splits[0].spaces
    ink = splits[2]["source"][:, 0] < 8
    coloured = splits[2]["x"].min(axis=1) < 28
    outside = lambda shift: (ink & ~np.roll(coloured, shift, axis=0)).sum() / ink.sum()
    assert outside(0) < 0.3 < 0.4 < min(outside(1), outside(7))  # what is white in the picture may have lines
    seen = {x.tobytes() for x in np.concatenate([splits[0]["x"], splits[1]["x"]])}
    assert sum(x.tobytes() in seen for x in splits[2]["x"]) <= 2  # two of all 1,580 have a twin
    assert len({x.tobytes() for s in splits for x in s["x"]}) == 1578


def test_an_edit_of_a_face_is_exact():
    """What is asked for, and nothing else, changes; and the reader finds it."""
    edits = data.load("face_edits", "test")
    x, source, edit, labels = (edits[name] for name in ("x", "source", "edit", "labels"))
    assert edits.spaces["edit"] == Space((len(LABELS),), 2) and edit[:, :3].sum(axis=1).min() == 1
    kind = lambda bits: np.stack([bits[:, :3].argmax(axis=1), bits[:, 3], bits[:, 4]], axis=1)
    changed = (kind(edit) != kind(labels)).sum(axis=1)
    np.testing.assert_array_equal(changed, np.repeat([1, 2], 250))
    assert np.ptp([(kind(edit) != kind(labels))[:, j].mean() for j in range(3)]) < 0.1  # each as often
    assert (x != source).any(axis=(1, 2, 3)).mean() > 0.97  # a hat may hide the hair
    for images, asked in (source[:40], labels[:40]), (x[:40], edit[:40]):
        found, error = read(images)
        assert error.max() < 0.3
        np.testing.assert_array_equal(found["glasses"] > 0, asked[:, 3])
        np.testing.assert_array_equal(found["hat"] > 0, asked[:, 4])
        colour = np.array([faces.HAIR_COLOURS.index(name) for name in HAIR])[asked[:, :3].argmax(axis=1)]
        assert (found["hair colour"] == colour).mean() > 0.9
    only_hat = (changed == 1) & (edit[:, 4] != labels[:, 4])
    assert not (x != source)[only_hat][:, :, 9:].any()  # below the brim nothing moves


def test_glyphs_are_unpaired_in_training_and_pairs_for_the_judge():
    train, valid, test = (data.load("glyphs", split) for split in data.SPLITS)
    assert (len(valid), len(test)) == (100, 400) and len(train) > 500 and test.aligned and not train.aligned
    assert train.spaces == {"a": Space((1, 16, 16), 256), "b": Space((1, 16, 16), 256)}
    a, b = test["a"] / 255, test["b"] / 255
    assert (1 - b).mean() > 1.3 * (1 - a).mean()  # bold has more ink
    assert nearest_is_own(a, b).mean() > 0.6  # the same letters, row by row
    assert nearest_is_own(a, b[::-1]).mean() < 0.05
    letters, drawn = glyphs._letters()
    row = {image.tobytes(): i for i, image in enumerate(drawn["a"])}
    bold = {image.tobytes(): i for i, image in enumerate(drawn["b"])}
    in_a = {row[image.tobytes()] for image in train["a"]}
    assert len(letters) == len(row) and not in_a & {bold[image.tobytes()] for image in train["b"]}
    assert not in_a & {row[image.tobytes()] for image in test["a"]}
    assert [row[x.tobytes()] for x in test["a"][:50]] == [bold[x.tobytes()] for x in test["b"][:50]]
