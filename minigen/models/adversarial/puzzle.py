"""Puzzle GAN: the pieces of a cut image are put in order; and a discriminator looks at what comes out.

The task is that of Noroozi & Favaro 2016 (3 x 3 pieces in random order); that a discriminator of whole images may help
the solver is from Li et al., "JigsawGAN", IEEE TIP 2022 (arXiv:2101.07555). Here the solver assigns pieces to places:

    S = solver(pieces)                      scores (P, P), piece by place, whatever order the pieces come in
    A = sinkhorn(S / tau)                   shares: doubly stochastic, with a gradient
    x_hat[place] = sum_piece A[piece, place] piece
    L = - mean log A[piece, its place] + |x_hat - x|                  solver
        + w softplus(-D(x_hat))                                       and the game of gan.py: D tells x from x_hat
    order = assignment(S)                   the best permutation, where a puzzle is to be solved

Pieces that are alike have no places of their own: two corners of plain background may change places, and nobody sees.
So pieces are counted as right by their pixels; and in training the target of such a piece is every place where it fits.
What a solver reads may be no more than which borders continue each other: `margin` cuts the borders off, and what is
found then comes from what pieces show.

Deviations from JigsawGAN: assignment in the place of a classifier of permutations (any of 9! can be found), no flow and
no edges.

Symbols: N images, P = G^2 pieces, C h w piece, tau temperature. Read before this: gan.py, adversarial/sinkhorn.py,
nn/transformer.py. Read next: recipes/adversarial.py.
Course: 7.7.
"""
import numpy as np

from autograd import Tensor, as_tensor, einsum, log, no_grad, relu, softplus
from autograd.backend import asarray, default_dtype, to_numpy

from ...adversarial.objectives import discriminator_loss
from ...adversarial.sinkhorn import assignment, sinkhorn
from ...metrics import Measure, mean_interval
from ...nn import Conv2d, Linear, Module, Transformer
from ...nn.chunks import in_chunks
from ...player import Player

CHUNK = 200  # puzzles that are solved at a time


class Solver(Module):
    """Pieces (N, P, C, h, w) -> scores (N, P, P), piece by place. Each piece is seen by two convolutions, and then by
    all others, in a transformer that does not know in which order they came."""

    def __init__(self, shape, pieces, width=64, blocks=2, heads=4, *, rng):
        C, h, w = shape
        self.conv1, self.conv2 = Conv2d(C, 32, 3, padding=1, rng=rng), Conv2d(32, 32, 3, stride=2, padding=1, rng=rng)
        self.embed = Linear(32 * ((h + 1) // 2) * ((w + 1) // 2), width, rng=rng)
        self.transformer = Transformer(width, blocks, heads, rng=rng)
        self.place = Linear(width, pieces, rng=rng)

    def forward(self, pieces):
        N, P = pieces.shape[:2]
        width, features = self.embed.weight.shape
        h = relu(self.conv2(relu(self.conv1(pieces.reshape(N * P, *pieces.shape[2:])))))
        tokens = self.embed(h.reshape(N * P, features)).reshape(N, P, width)
        return self.place(self.transformer(tokens))


class Puzzle(Module):
    """space: of the images. grid: G. make_solver: (shape of a piece, P) -> Module from pieces to scores. discriminator:
    a Module for images of the pieces' size together, or None: then the solver is alone. tau: of sinkhorn. weight: w.
    margin: pixels that are cut off each side of a piece."""

    def __init__(self, space, make_solver, make_discriminator=None, grid=3, tau=0.5, weight=0.1, margin=0):
        C, H, W = space.shape
        self.space, self.grid, self.tau, self.weight, self.margin = space, grid, tau, weight, margin
        self.side = (H // grid, W // grid)
        if min(self.side) - 2 * margin < 2:
            raise ValueError(f"Puzzle: pieces of {self.side[0]} x {self.side[1]} pixels and margin {margin}; cut "
                             "images into fewer, or less off")
        self.P, self.piece = grid**2, (C, self.side[0] - 2 * margin, self.side[1] - 2 * margin)
        self.solver = make_solver(self.piece, self.P)
        whole = (C, grid * self.piece[1], grid * self.piece[2])
        self.discriminator = make_discriminator(whole) if make_discriminator else None

    def pieces(self, x):
        """Images (N, C, H, W) as pieces in their order (N, P, C, h, w): what fills no piece is left out around."""
        N, C, H, W = x.shape
        (h, w), G, m = self.side, self.grid, self.margin
        top, left = (H - G * h) // 2, (W - G * w) // 2
        cut = x[:, :, top : top + G * h, left : left + G * w].reshape(N, C, G, h, G, w).transpose(0, 2, 4, 1, 3, 5)
        return cut.reshape(N, self.P, C, h, w)[..., m : h - m, m : w - m]

    def joined(self, pieces):
        """Pieces (N, P, C, h, w) as images (N, C, G h, G w)."""
        N, _, C, h, w = pieces.shape
        apart = pieces.reshape(N, self.grid, self.grid, C, h, w)
        return apart.transpose(0, 3, 1, 4, 2, 5).reshape(N, C, self.grid * h, self.grid * w)

    def shuffled(self, pieces, rng):
        """(the pieces in random order, place (N, P): where each belongs)."""
        place = np.argsort(rng.random(pieces.shape[:2]), axis=1)
        return to_numpy(pieces)[np.arange(len(pieces))[:, None], place], place

    def players(self):
        players = [Player("solver", self.solver.parameters(), self.solver_loss)]
        if self.discriminator:
            players.insert(0, Player("D", self.discriminator.parameters(), self.discriminator_loss))
        return players

    def put_together(self, batch, rng):
        """(x (N, C, ., .) on [-1, 1] in its order, x_hat, shares A, the shuffled pieces, their places)."""
        right = to_numpy(self.pieces(self.space.signed(batch["x"])))
        pieces, place = self.shuffled(right, rng)
        A = sinkhorn(self.solver(as_tensor(asarray(pieces))), self.tau)
        x_hat = self.joined(einsum("npq,npchw->nqchw", A, as_tensor(asarray(pieces))))
        return asarray(self.joined(right)), x_hat, A, pieces, place

    def solver_loss(self, batch, rng):
        x, x_hat, A, pieces, place = self.put_together(batch, rng)
        fits = asarray(fitting(pieces, place), default_dtype)  # (N, P, P)
        assigned = -log((A * fits).sum(axis=2) + 1e-8).mean()  # course 7.7
        distance = abs(x_hat - x).mean()
        terms = {"loss": assigned + distance, "assignment": assigned, "distance": distance}
        if self.discriminator:
            L_GAN = softplus(-self.discriminator(x_hat)).mean()
            terms = {"loss": terms["loss"] + self.weight * L_GAN, **{k: terms[k] for k in ("assignment", "distance")},
                     "L_GAN": L_GAN}
        return terms

    def discriminator_loss(self, batch, rng):
        with no_grad():
            x, x_hat, *_ = self.put_together(batch, rng)
        return {"-V": discriminator_loss(self.discriminator(x), self.discriminator(Tensor(x_hat.data)))}

    def solve(self, pieces) -> np.ndarray:
        """place (N, P) of pieces (N, P, C, h, w) on [-1, 1]."""
        with no_grad():
            scores = in_chunks(lambda some: self.solver(as_tensor(asarray(some, default_dtype))).data, pieces, CHUNK)
        return assignment(scores)

    def put_in_order(self, pieces, place) -> np.ndarray:
        """The image (N, C, ., .) that has the pieces at these places."""
        ordered = np.empty_like(pieces)
        ordered[np.arange(len(pieces))[:, None], place] = pieces
        return self.joined(ordered)

    def measure(self, batch, rng):
        """Pieces that are right by their pixels, and whole puzzles; beside them what a random order gets."""
        right = to_numpy(self.pieces(self.space.signed(batch["x"])))
        pieces, _ = self.shuffled(right, rng)
        found = self.solve(pieces)
        guess = np.argsort(rng.random(found.shape), axis=1)
        share, floor = (same_pixels(pieces, place, right) for place in (found, guess))  # (N, P)
        return [Measure("pieces right", *mean_interval(share.mean(axis=1)), "",
                        f"by pixels, of {self.P}; in random order: {floor.mean():.3f}"),
                Measure("puzzles solved", *mean_interval(share.all(axis=1)), "",
                        f"of {len(found):,}; in random order: {floor.all(axis=1).mean():.3g}")]


def same_pixels(pieces, place, right) -> np.ndarray:
    """(N, P): whether the piece that is put at each place has the pixels that belong there."""
    there = right[np.arange(len(right))[:, None], place]  # what belongs where each piece was put
    return (there == pieces).all(axis=(2, 3, 4))


def fitting(pieces, place) -> np.ndarray:
    """(N, P, P): the share of each piece that each place should get: all of it its own, or with others of the same
    pixels as many of theirs."""
    flat = pieces.reshape(*pieces.shape[:2], -1)
    alike = (flat[:, :, None] == flat[:, None]).all(axis=-1)  # (N, P, P), piece by piece
    at = np.zeros(alike.shape)
    np.put_along_axis(at, place[..., None], 1.0, axis=2)  # piece by place
    return np.float32(alike @ at)
