"""The picture of a recorded graph, and sheets of images side by side."""
import numpy as np
import pytest
from matplotlib.figure import Figure

from autograd import exp, grad, parameter
from minigen import plot


@pytest.fixture
def drawn(monkeypatch):
    """The Figures that are written during a test."""
    figures = []
    savefig = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kwargs: (
        figures.append(self), savefig(self, *args, **kwargs)))
    return figures


def test_graph_has_a_box_for_every_node_and_an_arrow_for_every_edge(tmp_path, drawn):
    x, y = parameter(2.0), parameter(3.0)
    product = x * y
    z = exp(x) + product * 5.0  # x is used twice; the constant 5 is not part of the graph
    plot.graph(z, tmp_path / "graph.png", {x: "x = 2", product: "x y"})
    notes = drawn[0].axes[0].texts
    boxes = [note for note in notes if note.get_bbox_patch() is not None]
    assert sorted(box.get_text() for box in boxes) == ["", "add", "exp", "mul", "mul\nx y", "x = 2"]
    assert sum(note.arrow_patch is not None for note in notes) == 6
    column = {box.get_text(): box.xy[0] for box in boxes}
    assert column["x = 2"] == column[""] == 0 and column["exp"] == column["mul\nx y"] == 1
    assert column["mul"] == 2 and column["add"] == 3


def test_graph_of_a_gradient(tmp_path, drawn):
    x = parameter(2.0)
    plot.graph(grad(x**3, x, create_graph=True), tmp_path / "graph.png")
    assert (tmp_path / "graph.png").stat().st_size > 1000


def test_sheets(tmp_path, drawn):
    images = np.random.default_rng(0).random((6, 1, 4, 4))
    plot.sheets({"square": images, "long": (images, 6)}, tmp_path / "sheets.png")
    first, second = drawn[0].axes
    assert [axes.get_title() for axes in (first, second)] == ["square", "long"]
    np.testing.assert_array_equal(first.images[0].get_array(), plot.sheet(images))
    np.testing.assert_array_equal(second.images[0].get_array(), plot.sheet(images, 6))
