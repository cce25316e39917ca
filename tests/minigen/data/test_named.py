"""Emoji with names: every cell of the grammar has one picture, what is withheld is seen in parts, and the judge knows."""
import numpy as np
import pytest

from minigen import data
from minigen.conditions import entries
from minigen.data.named import CELLS, caption, cell_of, cells_of, people
from minigen.data.text import decode
from minigen.judges import judge, judge_similarity
from minigen.people_judge import nearest, parts_of, people_measures


@pytest.fixture(scope="module")
def sets():
    return {split: data.load("emoji_people", split) for split in data.SPLITS}


def test_every_cell_has_a_picture_and_a_name_of_its_own(sets):
    pictures, roles = people()
    assert pictures.shape == (1350, 3, 24, 24) and pictures.max() == 31 and len(roles) == 75
    assert len(cell_of()) == 1350 == len({picture.tobytes() for picture in pictures})
    assert caption(cell_of()["a woman firefighter with dark skin"]) == "a woman firefighter with dark skin"
    together = np.concatenate([cells_of(split) for split in data.SPLITS])
    np.testing.assert_array_equal(np.sort(together), np.arange(1350))
    for split, dataset in sets.items():
        texts = decode(dataset["text"], dataset.spaces["text"])
        np.testing.assert_array_equal([cell_of()[text] for text in texts], cells_of(split))
        np.testing.assert_array_equal(dataset["x"], pictures[cells_of(split)])


def test_of_what_is_withheld_each_part_is_seen_and_not_all_together(sets):
    """Also each two of the three."""
    seen = set(cells_of("train").tolist())
    parts = parts_of(np.arange(1350))
    pairs = lambda cells, a, b: set(zip(parts[a][cells].tolist(), parts[b][cells].tolist()))
    train = cells_of("train")
    for split in ("valid", "test"):
        cells = cells_of(split)
        assert len(cells) == 150 and not seen & set(cells.tolist())
        assert np.bincount(cells // CELLS).tolist() == [2] * 75
        for a, b in ("role", "gender"), ("role", "tone"), ("gender", "tone"):
            assert pairs(cells, a, b) <= pairs(train, a, b)


def test_the_nearest_picture_is_the_one_under_noise_and_its_parts_are_told_apart(sets):
    """Of real pictures all; with noise of 0.1 nearly all; of someone else's only what they share."""
    test = sets["test"]
    x, told = test.spaces["x"].drawn(test["x"]), test["text"]
    cells = cells_of("test")
    np.testing.assert_array_equal(nearest(x)[0], cells)
    assert nearest(x)[1].max() < 1e-4
    noisy = x + 0.1 * np.random.default_rng(0).standard_normal(x.shape)
    assert (nearest(noisy)[0] == cells).mean() > 0.97
    values = lambda measures: {m.name: m.value for m in measures}
    real = values(people_measures(x, x, test.spaces["text"], told))
    assert [real[name] for name in ("exact", "role", "gender", "tone")] == [1, 1, 1, 1]
    pictures = people()[0] / 31
    for name, shift in ("tone", cells // 6 * 6 + (cells + 1) % 6), ("role", (cells + CELLS) % 1350):  # another of it
        other = values(people_measures(pictures[shift], x, test.spaces["text"], told))
        assert other[name] == 0 == other["exact"]
        assert all(other[rest] == 1 for rest in {"role", "gender", "tone"} - {name})
    gray = values(people_measures(np.full_like(x, 0.5), x, test.spaces["text"], None))
    assert list(gray) == ["distance to the nearest"] and gray["distance to the nearest"] > 0.2
    assert {"exact", "sliced distance, 24 pixels"} <= set(values(judge(x, sets["train"], test, {"text": told})))


def test_finding_by_name_counts_what_is_right(sets):
    """A similarity that reads all but the tone, and one that guesses; of other emoji only whether it is the name."""
    test = sets["test"]
    owner = {picture.tobytes(): cell for picture, cell in zip(test["x"], cells_of("test"))}
    names = lambda text: np.array([cell_of()[t] for t in decode(text, test.spaces["text"])])

    def similarity(x, text):
        own = np.array([owner[picture.tobytes()] for picture in x])
        return np.float32(own[:, None] // 6 == names(text) // 6)

    found = {m.name: m.value for m in judge_similarity(similarity, test)}
    assert found["role"] == found["gender"] == 1 and found["tone"] < 1 and 0.5 < found["own name of 100"] < 1
    r = np.random.default_rng(0)
    guess = {m.name: m.value for m in judge_similarity(lambda x, text: r.random((len(x), len(text))), test)}
    assert guess["own name of 100"] < 0.06 and guess["role"] < 0.1 and abs(guess["gender"] - 1 / 3) < 0.15
    others = data.load("emoji_names", "test").first(20)
    (own,) = judge_similarity(lambda x, text: np.eye(len(x)), others)
    assert own.value == 1 and own.name == "own name of 20"


def test_names_of_emoji_are_read_back_in_every_split():
    names = set()
    for split, size in zip(data.SPLITS, (1138, 126, 316)):
        dataset = data.load("emoji_names", split)
        texts = decode(dataset["text"], dataset.spaces["text"])
        assert len(dataset) == size == len(texts) and (dataset["text"][:, -1] == 0).all()
        np.testing.assert_array_equal(dataset["x"], data.load("emoji", split)["x"])
        names |= set(texts)
    assert len(names) == 1580 and {"hedgehog", "woman farmer", "A button (blood type)"} <= names


def test_names_on_the_command_line(sets):
    train = sets["train"]
    text = "a woman firefighter with dark skin"
    assert decode(entries([text], "text", train), train.spaces["text"]) == [text]
    with pytest.raises(ValueError, match="--text: 'firefigter' is no word that the model knows; did you mean 'firefighter'"):
        entries(["a woman firefigter with dark skin"], "text", train)
    with pytest.raises(ValueError, match="is nobody's name: write"):
        people_measures(np.zeros((1, 3, 24, 24)), np.zeros((1, 3, 24, 24)), train.spaces["text"],
                        entries(["a woman woman"], "text", train))
    names = data.load("emoji_names")
    assert decode(entries(["black hedgehog"], "text", names), names.spaces["text"]) == ["black hedgehog"]
