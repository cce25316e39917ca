"""Pictures are PNGs of the right content: pixels are compared where they can be, axes where they vary."""
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from PIL import Image

from minigen import plot


@pytest.fixture
def drawn(monkeypatch):
    """The Figures that are written during a test."""
    figures = []
    savefig = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kwargs: (
        figures.append(self), savefig(self, *args, **kwargs)))
    return figures


def test_grid_shows_every_pixel_of_every_image(tmp_path):
    images = np.random.default_rng(0).random((5, 1, 4, 6))
    plot.grid(images, tmp_path / "grid.png", columns=3)
    sheet = imread(tmp_path / "grid.png")[..., :3]
    zoom, gap = round(640 / 18), round(640 / 18) * 6 // 16
    assert sheet.shape[:2] == (2 * (4 * zoom + gap) + gap, 3 * (6 * zoom + gap) + gap)
    for i, image in enumerate(images):
        top, left = gap + (i // 3) * (4 * zoom + gap), gap + (i % 3) * (6 * zoom + gap)
        block = sheet[top:top + 4 * zoom, left:left + 6 * zoom].reshape(4, zoom, 6, zoom, 3)
        assert np.ptp(block, axis=(1, 3, 4)).max() == 0  # square pixels, gray
        np.testing.assert_allclose(block[:, 0, :, 0, 0], image[0], atol=1 / 255)
    assert (sheet[-zoom:, -zoom:] == 1).all()  # the sixth place is empty


def test_grid_of_colours_and_rounding(tmp_path):
    image = np.zeros((1, 3, 1, 1))
    image[0, :, 0, 0] = [-5e-4, 0.5, 1 + 5e-4]
    plot.grid(image, tmp_path / "grid.png")
    sheet = imread(tmp_path / "grid.png")
    np.testing.assert_allclose(sheet[len(sheet) // 2, len(sheet) // 2, :3], [0, 0.5, 1], atol=1 / 255)


@pytest.mark.parametrize("shape", [(4, 8, 8), (0, 1, 8, 8), (4, 2, 8, 8)])
def test_grid_refuses(tmp_path, shape):
    with pytest.raises(ValueError, match=r"grid: images has shape .*expected \(N, 1 or 3, H, W\)"):
        plot.grid(np.zeros(shape), tmp_path / "grid.png")


def test_scatter(tmp_path, drawn):
    points = np.random.default_rng(0).standard_normal((50, 2))
    plot.scatter(points, tmp_path / "s.png", data=points + 1)
    data, samples = drawn[0].axes[0].collections
    np.testing.assert_array_equal(samples.get_offsets(), points)
    np.testing.assert_array_equal(data.get_offsets(), points + 1)
    assert [text.get_text() for text in drawn[0].axes[0].get_legend().get_texts()] == ["data", "samples"]

    plot.scatter(points, tmp_path / "s.png", labels=np.arange(50) % 3, names=("z1", "z2"))
    assert [text.get_text() for text in drawn[1].axes[0].get_legend().get_texts()] == ["0", "1", "2"]
    np.testing.assert_array_equal(drawn[1].axes[0].collections[1].get_offsets(), points[1::3])
    assert drawn[1].axes[0].get_xlabel() == "z1"
    with pytest.raises(ValueError, match="scatter: points has shape"):
        plot.scatter(np.zeros((5, 3)), tmp_path / "s.png")


def test_curves_has_a_panel_for_each_term_and_a_line_for_each_split(tmp_path, drawn):
    steps = np.arange(50)
    plot.curves({"train/loss": (steps, 100.0 - steps), "valid/loss": (steps[::10], 101.0 - steps[::10]),
                 "train/d: real": (steps, steps - 20.0)}, tmp_path / "c.png")
    loss, real = drawn[0].axes
    assert (loss.get_title(), real.get_title(), loss.get_xlabel()) == ("loss", "d: real", "step")
    assert [line.get_label() for line in loss.lines] == ["train", "valid"]
    np.testing.assert_array_equal(loss.lines[1].get_ydata(), 101.0 - steps[::10])
    assert imread(tmp_path / "c.png").ndim == 3
    with pytest.raises(ValueError, match="series is empty"):
        plot.curves({}, tmp_path / "c.png")


def test_curves_chooses_its_axis(tmp_path, drawn):
    steps = np.arange(1000)
    values = {"falls": 10.0 ** (-steps / 250), "drops": 90 + 500 * np.exp(-steps / 30),
              "grows": 25 - 25 * np.exp(-steps / 30), "signed": np.sin(steps / 50)}
    plot.curves({f"train/{name}": (steps, v) for name, v in values.items()}, tmp_path / "c.png")
    _falls, drops, grows, signed = drawn[0].axes
    assert [axes.get_yscale() for axes in drawn[0].axes] == ["log", "linear", "linear", "linear"]
    assert drops.get_ylim()[1] < 110  # the first steps, up to 590, would flatten all the rest
    assert grows.get_ylim()[0] <= 0 and signed.get_ylim()[1] > 1


def test_many_points_are_smoothed_over_the_raw_ones(tmp_path, drawn):
    values = np.random.default_rng(0).standard_normal(1000)
    plot.curves({"train/loss": (np.arange(1000), values)}, tmp_path / "c.png")
    raw, smooth = drawn[0].axes[0].lines
    np.testing.assert_array_equal(raw.get_ydata(), values)
    assert smooth.get_ydata()[500] == pytest.approx(values[500 - 12:500 + 13].mean())
    assert smooth.get_ydata()[0] == pytest.approx(values[:13].mean())


def test_importing_plot_does_not_load_matplotlib():
    code = "import sys, minigen.plot; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_captioned_rows_have_their_text_beside_them(drawn, tmp_path):
    plot.captioned(np.zeros((6, 3, 4, 4)), ["a red square", "two circles"], tmp_path / "rows.png")
    axes = drawn[0].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a red square", "two circles"]
    high = axes.images[0].get_array().shape[0]
    np.testing.assert_allclose(axes.get_yticks(), [high / 4, 3 * high / 4])
    with pytest.raises(ValueError, match="captioned: 5 images and 2 texts"):
        plot.captioned(np.zeros((5, 3, 4, 4)), ["a", "b"], tmp_path / "rows.png")


def test_gif_plays_every_frame(tmp_path):
    frames = np.random.default_rng(0).random((7, 4, 1, 5, 5))
    plot.gif(frames, tmp_path / "film.gif", seconds=1)
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 7 and film.info["loop"] == 0
        for i, images in enumerate(frames):
            film.seek(i)
            shown = np.asarray(film.convert("RGB")) / 255
            np.testing.assert_allclose(shown, plot.sheet(images) / 255, atol=0.03)
        assert film.info["duration"] == 2000
    with pytest.raises(ValueError, match="frames is empty"):
        plot.gif([], tmp_path / "none.gif")


@pytest.mark.parametrize("images, message", [
    (np.zeros((4, 1, 8, 8), np.uint8), "images have dtype uint8, expected real numbers in .0, 1.; Space.drawn scales"),
    (np.full((4, 1, 8, 8), np.nan), "images hold values from nan to nan, expected .0, 1."),
    (np.full((4, 1, 8, 8), 255.0), "images hold values from 255 to 255, expected .0, 1.; Space.from_signed"),
    (np.full((4, 3, 8, 8), -1.0), "images hold values from -1 to -1")])
def test_what_is_no_image_is_refused_and_not_drawn_white_or_black(images, message, tmp_path):
    for draw in (plot.grid, lambda images, path: plot.sheets({"a": images}, path),
                 lambda images, path: plot.gif([images], path)):
        with pytest.raises(ValueError, match=f"grid: {message}"):
            draw(images, tmp_path / "grid.png")
    assert not list(tmp_path.iterdir())


def test_molecules_have_a_line_for_each_bond_and_letters_for_what_is_no_carbon(drawn, tmp_path):
    places = np.float64([[0, 0], [1, 0], [2, 0]])
    plot.molecules([("C=NC", places, ["C", "N", "C"], {(0, 1): 2, (1, 2): 1}), ("C(", np.zeros((0, 2)), [], {})],
                   tmp_path / "two.png")
    good, bad = drawn[0].axes
    assert len(good.lines) == 3 and [text.get_text() for text in good.texts] == ["N"]
    assert good.get_title() == "C=NC" and bad.get_title() == "C(" and not bad.lines
    double = sorted(line.get_ydata()[0] for line in good.lines[:2])
    assert double[0] < 0 < double[1] and good.lines[2].get_ydata()[0] == 0
    with pytest.raises(ValueError, match="molecules: structures is empty"):
        plot.molecules([], tmp_path / "none.png")
