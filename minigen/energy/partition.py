"""The partition function where it can be computed: Z as a sum over a grid, for densities in the plane.

    p(x) = exp(-E(x)) / Z,   Z = int exp(-E(x)) dx  ~  sum over cells of exp(-E(middle)) * area

In two dimensions a few thousand cells do; in 64 they would be more than there are atoms. Everything else that is known
of an energy-based model follows from its Z: likelihoods, divergences (divergences.py), the density as a picture.
Symbols: x (n, 2) points, M cells. Read before this: nothing. Read next: models/energy/ebm.py, divergences.py.
"""
import numpy as np
from scipy.special import logsumexp


class Grid:
    """Square cells of [-edge, edge]^2, so many to a side. points: their middles (M, 2). area: of a cell.

    >>> grid = Grid(edge=6.0, cells=120)
    >>> round(grid.log_integral(-0.5 * (grid.points**2).sum(axis=1)), 6)  # log 2 pi
    1.837877
    """

    def __init__(self, edge, cells=200):
        at = edge * (2 * (np.arange(cells) + 0.5) / cells - 1)
        self.points = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
        self.edge, self.cells, self.area = edge, cells, (2 * edge / cells) ** 2

    def log_integral(self, log_f):
        """log int f(x) dx of log f at the points, (M,): log Z for -E."""
        return float(logsumexp(np.float64(log_f)) + np.log(self.area))
