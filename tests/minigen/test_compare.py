"""`minigen compare text_to_image`: which runs it finds, what stands under the pictures, and what the table counts."""
import matplotlib.pyplot as plt
import numpy as np
import pytest

from autograd import backend
from minigen import checkpoint, cli, data, plot, recipes, runs
from minigen.comparisons import text_to_image
from minigen.comparisons.text_to_image import PROMPTS, cells, measures, minutes_of, scene_of, text_to_image_runs
from minigen.data.shapes.captions import parse
from minigen.journal import CHECKPOINT


def store(name, folder, steps):
    """What a run of a recipe would leave after so many steps of 30 seconds, though none was made."""
    dataset, recipe = data.load("shapes16"), recipes.find(name)
    plan = recipe.plan(dataset, backend.rng(0), **runs.stored_parts(recipe, folder))
    metadata = {**runs.SETTINGS, "recipe": name, "data": "shapes16", "seed": 0, "done": 1.0, "stage": None,
                "step": steps, "seconds": 30.0 * steps, "terms": [], "settings": {}}
    runs.store_part(runs.Trained(plan.model, None, dataset, metadata, folder / "elsewhere"), folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with runs/clip and, made with it as its part, runs/text_gan."""
    place = tmp_path_factory.mktemp("compare")
    store("clip", place / "runs" / "clip", 1)
    runs.store_part(runs.load(place / "runs" / "clip"), place / "runs" / "text_gan" / "parts" / "clip")
    store("text_gan", place / "runs" / "text_gan", 2)
    return place


def test_runs_that_draw_captions_are_found_and_their_parts_are_counted(place, monkeypatch):
    """CLIP draws nothing; runs that are damaged, or of other data, are left out, though they are later."""
    monkeypatch.chdir(place)
    tensors, metadata = checkpoint.load(place / "runs" / "text_gan" / CHECKPOINT)
    for name, write in (("dalle", lambda path: path.write_bytes(b"nothing")),
                        ("text_gan-2", lambda path: checkpoint.save(path, tensors, {**metadata, "data": "emoji_people"}))):
        (place / "runs" / name).mkdir(exist_ok=True)
        write(place / "runs" / name / CHECKPOINT)
    found = text_to_image_runs()
    assert list(found) == ["text_gan"]
    assert minutes_of(found["text_gan"].folder) == pytest.approx(0.5 + 1.0)  # 30 s of CLIP, 60 s of its own


def test_the_command_draws_one_sheet_and_prints_one_table(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    assert cli.main(["compare", "text_to_image", "--samples", "12"]) == 0
    lines = capsys.readouterr().out.splitlines()
    lines = lines[next(i for i, line in enumerate(lines) if line.startswith("run  ")):]
    assert lines[0].split()[:3] == ["run", "steps", "minutes"] and lines[1].split()[:3] == ["text_gan", "2", "1.5"]
    real, chance = (line.split() for line in lines[2:4])
    assert real[:2] == ["(real", "pictures)"] and real[2:] == ["1", "1", "1", "1", "0"]
    assert float(chance[1]) < 0.4
    pixels = plt.imread(place / "text_to_image.png")[..., :3]
    assert min(pixels.shape[:2]) > 300 and np.ptp(pixels) > 0.5
    monkeypatch.setattr(plot, "judged", lambda *args: None)
    rows = text_to_image.compare(place / "none.png", steps=3, samples=6)  # it made two
    assert [row["run"] for row in rows] == ["(real pictures)", "(chance)"]


def test_without_a_run_it_says_how_to_make_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plot, "judged", lambda *args: None)  # takes a second
    assert cli.main(["compare", "text_to_image", "--samples", "6"]) == 0
    assert "no run in 'runs' draws captions of shapes yet; minigen train text_gan makes one" in capsys.readouterr().out
    assert cli.main(["compare", "text_to_image", "--out", "absent/a.png"]) == 2
    assert "is not the name of a PNG file in a folder that is there" in capsys.readouterr().err
    assert cli.main(["compare", "nothing"]) == 2


def test_a_verdict_is_what_the_reader_says():
    """Two of the prompts are withheld; real pictures are true; under another's caption stands what was read."""
    prompts = [parse(text) for text in PROMPTS]
    assert len(prompts) == 8 and [prompt.withheld for prompt in prompts] == [False] * 6 + [True] * 2
    pictures = [scene_of(prompt, np.random.default_rng(1)) for prompt in prompts]
    assert all(good and verdict == "true" for _, verdict, good in cells(pictures, prompts))
    (_, verdict, good), = cells([pictures[6]], [prompts[0]])
    assert not good and verdict in ("small red square", "large red square")
    (_, verdict, good), = cells([np.full((3, 16, 16), 0.4)], [prompts[0]])
    assert not good and verdict.endswith("flagged") and len(verdict) < 80
    found = measures(np.stack(pictures), text_to_image.encode(PROMPTS))
    assert found == {"accuracy": 1, "withheld": 1, "one object": 1, "two": 1, "flagged": 0}
    found = measures(np.stack(pictures[1:] + pictures[:1]), text_to_image.encode(PROMPTS))
    assert found["accuracy"] == found["withheld"] == 0


def test_a_row_of_pictures_has_a_text_for_each(tmp_path):
    with pytest.raises(ValueError, match=r"judged: 2 texts, and rows of \[1\] images"):
        plot.judged({"a": [(np.zeros((3, 4, 4)), "true", True)]}, ("x", "y"), tmp_path / "a.png")
