"""How near drawn digits are to real ones, for the comparisons that draw them: the same judge, split and floor.

They are held against the valid split: who looks which of several is best chooses, and the test split is not for that.
Used by: predictions.py, averages.py, eta.py.
"""
from ..data import load
from ..metrics import frechet_distance, legible
from ..models.classifiers.cnn import pretrained


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
