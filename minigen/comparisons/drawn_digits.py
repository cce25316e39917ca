"""How near drawn digits are to real ones, for the comparisons that draw them: the same judge, split and floor.

They are held against the valid split: who looks which of several is best chooses, and the test split is not for that.
Used by: predictions.py, averages.py, eta.py.
"""
from ..data import load
from ..metrics import frechet_distance, legible
from ..models.classifiers.cnn import pretrained
from ..plot import new_figure, sheet

SHOWN = 36  # digits of each sheet


class DrawnDigits:
    """digits: the training set. valid: n images of the valid split, on [-1, 1]. floor: the columns of training digits,
    which a perfect model would have."""

    def __init__(self, n):
        self.digits, held = load("digits"), load("digits", "valid").first(n)
        self.space, self.n = self.digits.spaces["x"], len(held)
        self.valid, self.real = self.space.signed(held["x"]), self._see(self.space.drawn(held["x"]))[0]
        self.floor = self.measure(self.space.drawn(self.digits["x"][:self.n]))

    def _see(self, images):
        return pretrained("digits").judge(images)

    def measure(self, images) -> dict:
        """Columns of a table, of images (n, 1, 8, 8) on [0, 1]: as the shipped classifier sees them."""
        features, p = self._see(images)
        return {"Frechet distance": frechet_distance(features, self.real), "legible": float(legible(p).mean())}


def beside_sheets(titled):
    """(figure, axes for curves), beside a sheet of the first digits of each of titled: title -> images (N, 1, H, W)."""
    figure = new_figure(13, 3.4)
    axes, *grids = figure.subplots(1, 1 + len(titled), width_ratios=[1.5] + [1] * len(titled))
    for grid, (title, images) in zip(grids, titled.items()):
        grid.imshow(sheet(images[:SHOWN]), interpolation="nearest")
        grid.set(title=title, xticks=[], yticks=[])
    return figure, axes


def floored(axes, floor):
    """Curves of Frechet distances on a logarithmic scale: their floor, numbers that are no powers, and a legend."""
    axes.axhline(floor, color="k", linestyle=":", label="training digits")
    axes.set(title="Frechet distance to valid digits")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.legend(frameon=False, fontsize=8)
