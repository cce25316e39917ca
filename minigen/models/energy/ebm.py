"""EBM: a network gives each x a number, its energy, and low energy means probable.

Du & Mordatch, "Implicit Generation and Modeling with Energy-Based Models", NeurIPS 2019 (arXiv:1903.08689), sections
3.1-3.3 and algorithm 1; Xie et al., "A Theory of Generative ConvNet", ICML 2016, for the reference density.

    p(x) = exp(-E(x)) / Z,   Z = int exp(-E(x)) dx          any E will do, but nobody knows Z
    -log p(x) = E(x) + log Z                                maximum likelihood pulls E(x) down, and log Z ...
    d log Z = -E_{x- ~ p}[dE(x-)]                           ... pushes E up where the model itself has its mass
    d(-log p(x+)) = dE(x+) - E_{x-}[dE(x-)]                 x+ data, x- draws from the model

So training digs where data are and fills where samples are, until the two cannot be told apart; it is a discriminator
whose generator is the walk that it leads itself. Draws come from Langevin dynamics along -dE/dx (energy/langevin.py),
in chains that go on from step to step (energy/replay.py).

    loss = E(x+) - E(x-) + alpha (E(x+)^2 + E(x-)^2)        algorithm 1; alpha holds E near 0, which else drifts

No gradient goes through the walk: x- is where it ended, a constant. (With it the loss would also teach E to lead its
walk to where E is high, which is not its likelihood.) The first two terms are not -log p: their value tells nothing of
how good a model is, only that it is well when they are about 0. What tells is a gap that grows: the walk loses.

The energy of points has the reference density of Xie et al. in it, E(x) = f(x) + |x|^2 / (2 s^2), p(x) = exp(-f(x))
N(x; 0, s^2 I) / Z: so Z exists, whatever the network f does far out. Pixels have a range, and the walk keeps to it.

Symbols: N examples, x+ data, x- samples, f the network, s `reference`. Read before this: energy/langevin.py,
energy/replay.py. Read next: examples/9_energy/90_energy.py.
Course: 11.1.
"""
import numpy as np

from autograd import as_tensor, flatten, no_grad, silu
from autograd.backend import asarray, default_dtype, normal, to_numpy, uniform

from ...data import dequantize
from ...energy import Grid, ReplayBuffer, langevin, score_of
from ...metrics import Measure, auroc, mean_interval
from ...nn import MLP, Module
from ...nn.chunks import in_chunks
from ...player import Player

CHUNK = 1000  # examples at a time
BLENDED = 0.3  # how much noise there is in the images that a good energy tells from real ones


class EBM(Module):
    """network: f, a Module from examples (N, *shape) to numbers (N,). space: of images or points.

    step, noise, clip: of the walk, as in langevin; steps: how long it is in training, `draws` when samples are drawn.
    reference: s, for points. alpha: weight of the squares. capacity, restarts: of the replay buffer.
    """

    def __init__(self, network, space, *, steps=60, step=10.0, noise=0.005, clip=0.01, draws=200, reference=None,
                 alpha=0.1, capacity=10_000, restarts=0.05, rng):
        if space.levels is None and reference is None:
            raise ValueError("EBM: points have no range; pass reference, the standard deviation of the Gaussian that "
                             "the energy is added to")
        if min(steps, draws, capacity) < 1 or alpha < 0:
            raise ValueError(f"EBM: steps is {steps}, draws is {draws}, capacity is {capacity}, expected at least 1 "
                             f"each; alpha is {alpha}, expected at least 0")
        self.network, self.space, self.reference, self.alpha = network, space, reference, alpha
        self.steps, self.step, self.noise, self.clip, self.draws = steps, step, noise, clip, draws
        self.buffer = ReplayBuffer(self.start(capacity, rng), restarts)

    def energy(self, x):
        """E(x) in nats, Tensor (N,), of points or of images on [0, 1], (N, *shape)."""
        x = as_tensor(x)
        E = self.network(x)
        return E if self.reference is None else E + (x * x).sum(axis=1) / (2 * self.reference**2)

    def start(self, n, rng):
        """Where chains begin: uniform pixels, points from the reference density."""
        shape = (n, *self.space.shape)
        return uniform(rng, shape) if self.reference is None else self.reference * normal(rng, shape)

    def walk(self, x, steps, rng):
        """Where chains that start at x (N, *shape) are after so many steps, an array: a constant, without a graph."""
        within = None if self.space.levels is None else (0.0, 1.0)
        return langevin(score_of(self.energy), x, steps, self.step, noise=self.noise, clip=self.clip, within=within,
                        rng=rng)

    def players(self):
        return [Player("energy", self.network.parameters(), self.loss)]

    def loss(self, batch, rng):
        x = self.observe(batch["x"], rng)
        rows, start = self.buffer.draw(self.start(len(x), rng), rng)
        drawn = self.walk(start, self.steps, rng)
        if self.training:  # a look at other data leaves the chains where they are
            self.buffer.put(rows, drawn)
        E_data, E_drawn = self.energy(x), self.energy(drawn)
        # course 11.1
        gap, squares = E_data.mean() - E_drawn.mean(), (E_data * E_data).mean() + (E_drawn * E_drawn).mean()
        return {"loss": gap + self.alpha * squares, "E(x+) - E(x-)": gap, "E(x+)": E_data.mean()}

    def observe(self, x, rng):
        """x as the network sees data: images on [0, 1] with their gray levels spread, as the walk's are."""
        self.space.check(x)
        return asarray(x if self.space.levels is None else dequantize(x, self.space.levels, rng), default_dtype)

    def sample(self, n, rng):
        """n chains of `draws` steps that begin from noise: none of those in the buffer."""
        walked = lambda start: self.walk(start, self.draws, rng)
        return self.space.from_unit(in_chunks(walked, self.start(n, rng), CHUNK))

    def energies(self, x):
        """E(x) as a NumPy array (N,), of images on [0, 1] or points."""
        with no_grad():
            return in_chunks(lambda x: self.energy(asarray(x, default_dtype)).data, x, CHUNK)

    def log_prob(self, grid):
        """The function x (n, 2) -> log p(x), NumPy (n,), of a model of points: exact but for the grid's cells."""
        if self.space.shape != (2,):
            raise ValueError(f"EBM: Z is summed over a grid in the plane, and x has shape {self.space.shape}")
        log_Z = grid.log_integral(-self.energies(grid.points))
        return lambda x: -np.float64(self.energies(x)) - log_Z

    def measure(self, batch, rng):
        """Of points their likelihood. Of images, whose Z nobody knows, what the energy tells apart."""
        x = to_numpy(self.observe(batch["x"], rng))
        if self.space.levels is None:
            grid = Grid(edge=4 * self.reference, cells=400)
            nll = mean_interval(-self.log_prob(grid)(x))
            return [Measure("NLL", *nll, "nats", f"Z summed over a grid of {grid.cells}x{grid.cells}")]
        drawn, noise = self.sample(len(x), rng), rng.random(x.shape, dtype=np.float32)
        E, E_drawn = self.energies(x), self.energies(drawn)
        E_blended = self.energies((1 - BLENDED) * x + BLENDED * noise)
        gap = E.mean() - E_drawn.mean()
        half_width = 1.96 * np.sqrt((E.var() + E_drawn.var()) / len(x))
        return [Measure("energy gap", float(gap), float(half_width), "nats", "E(x+) - E(x-); 0 if they are alike"),
                Measure("AUROC, noise", auroc(E_blended, E), None, "",
                        f"of the energy, images blended with {BLENDED:.0%} noise against as they are; 0.5 by chance"),
                Measure("AUROC, samples", auroc(E_drawn, E), None, "", "samples against images; 0.5 if they are alike")]


class MLPEnergy(Module):
    """Points or images (N, *shape) -> a number each (N,). hidden: widths of the layers. Swish, silu here, between them:
    of an energy with kinks the score would jump."""

    def __init__(self, shape, hidden=(128, 128), *, rng):
        self.net = MLP((int(np.prod(shape)), *hidden, 1), silu, rng=rng)

    def forward(self, x):
        return self.net(flatten(x, 1))[:, 0]
