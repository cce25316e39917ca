"""Shares are doubly stochastic and become the best permutation, the solver cannot see the order, ties are no errors."""
from itertools import permutations

import numpy as np
import pytest

from autograd import as_tensor, backend, gradcheck, no_grad
from autograd.backend import asarray
from minigen import data
from minigen.adversarial.patch import PatchDiscriminator
from minigen.adversarial.sinkhorn import assignment, sinkhorn
from minigen.data import Space
from minigen.models.adversarial import Puzzle, Solver
from minigen.models.adversarial.puzzle import fitting, same_pixels
from minigen.optim import adam
from minigen.train import Run, one_stage, train


def rng(seed=0):
    return backend.rng(seed)


def build(shape=(3, 32, 32), seed=0, judged=False, **settings):
    r = rng(seed)
    return Puzzle(Space(shape, 256), lambda piece, P: Solver(piece, P, width=32, blocks=1, heads=2, rng=r),
                  (lambda whole: PatchDiscriminator(whole, width=8, halvings=1, norm=None, rng=r)) if judged else None,
                  **settings)


def images(n, shape=(3, 32, 32), seed=1):
    return np.uint8(rng(seed).integers(0, 256, (n, *shape)))


# Sinkhorn


def test_shares_are_doubly_stochastic_and_have_a_gradient():
    scores = rng(1).standard_normal((3, 5, 5))
    A = sinkhorn(as_tensor(scores), rounds=100).numpy()
    np.testing.assert_allclose(A.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(A.sum(axis=2), 1, rtol=1e-4)
    gradcheck(lambda s: sinkhorn(s, tau=0.7, rounds=4), [scores[:2, :3, :3]])


def test_as_tau_falls_they_become_the_permutation_of_the_largest_sum():
    scores = rng(2).standard_normal((4, 4, 4))
    A = sinkhorn(as_tensor(scores), tau=0.02, rounds=500).numpy()
    for square, shares, place in zip(scores, A, assignment(scores)):
        best = max(permutations(range(4)), key=lambda p: square[np.arange(4), p].sum())  # all 24 of them
        assert tuple(place) == best == tuple(shares.argmax(axis=1)) and shares.max(axis=1).min() > 0.7


# Pieces


@pytest.mark.parametrize("shape, grid", [((3, 32, 32), 3), ((1, 28, 28), 3), ((3, 16, 16), 4), ((1, 8, 12), 2)])
def test_pieces_are_cut_and_joined(shape, grid):
    model, x = build(shape, grid=grid), images(2, shape)
    pieces = model.pieces(x)
    (h, w), (_, H, W) = model.side, shape
    top, left = (H - grid * h) // 2, (W - grid * w) // 2
    np.testing.assert_array_equal(model.joined(pieces), x[:, :, top : top + grid * h, left : left + grid * w])
    np.testing.assert_array_equal(pieces[:, 1], x[:, :, top : top + h, left + w : left + 2 * w])
    shuffled, place = model.shuffled(pieces, rng(3))
    for i in range(2):
        assert sorted(place[i]) == list(range(grid**2))
        for piece, where in zip(shuffled[i], place[i]):
            np.testing.assert_array_equal(piece, pieces[i, where])
    np.testing.assert_array_equal(model.put_in_order(shuffled, place), model.joined(pieces))


def test_orders_are_drawn_anew():
    """Of 9! orders none comes twice; a fixed set of permutations would be learned by heart."""
    model, x = build(), images(300)
    _, place = model.shuffled(model.pieces(x), rng(4))
    assert len({tuple(p) for p in place}) > 295
    np.testing.assert_allclose(place.mean(axis=0), 4, atol=0.5)


def test_the_margin_cuts_borders_off():
    model, x = build(margin=2), images(2)
    np.testing.assert_array_equal(model.pieces(x), build().pieces(x)[..., 2:-2, 2:-2])
    with pytest.raises(ValueError, match="pieces of 10 x 10 pixels and margin 5"):
        build(margin=5)


def equivariant(solver):
    pieces = asarray(np.float32(rng(5).standard_normal((2, 9, 3, 10, 10))))
    order = rng(6).permutation(9)
    with no_grad():
        return np.allclose(solver(as_tensor(pieces[:, order])).numpy(), solver(as_tensor(pieces)).numpy()[:, order],
                           atol=1e-5)


def test_the_solver_does_not_know_in_which_order_pieces_come():
    solver = build().solver
    assert equivariant(solver)
    inner = solver.transformer.forward  # one that does
    solver.transformer.forward = lambda h: inner(h + asarray(np.float32(rng(7).standard_normal((9, 32)))))
    assert not equivariant(solver)


def test_pieces_that_are_alike_are_right_in_each_others_place():
    """By indices a plain border would be an error in half of the cases."""
    model = build()
    x = images(1)
    plain = np.full_like(x, 200)
    plain[:, :, 11:21, 11:21] = x[:, :, 11:21, 11:21]  # but for the middle
    right = model.pieces(plain)
    pieces, place = model.shuffled(right, rng(7))
    swapped = place.copy()
    corners = [int(np.flatnonzero(place[0] == corner)[0]) for corner in (0, 8)]
    swapped[0, corners] = place[0, corners[::-1]]
    assert (swapped != place).sum() == 2 and same_pixels(pieces, swapped, right).all()
    middle = [int(np.flatnonzero(place[0] == k)[0]) for k in (0, 4)]
    wrong = place.copy()
    wrong[0, middle] = place[0, middle[::-1]]
    assert same_pixels(pieces, wrong, right).sum() == 7
    fits = fitting(pieces, place)[0]
    for piece, where in enumerate(place[0]):
        expected = np.zeros(9)
        expected[[4] if where == 4 else [k for k in range(9) if k != 4]] = 1
        np.testing.assert_array_equal(fits[piece], expected)


# Learning


@pytest.mark.parametrize("judged", [False, True])
def test_it_learns_and_a_discriminator_may_look_on(judged):
    critters = data.load("critters")
    r = rng(8)
    model = build(judged=judged, seed=9)
    train(Run(one_stage(model, adam(3e-3), steps=30, batch_size=16), critters, rng=r))
    share, solved = model.measure(critters.first(60).columns, rng(10))
    assert share.value > 0.6 and solved.name == "puzzles solved", share
    assert "in random order: 0.1" in share.detail
    batch = critters.batch(np.arange(4))
    terms = model.solver_loss(batch, rng())
    extra = model.weight * terms["L_GAN"].item() if judged else 0.0
    assert terms["loss"].item() == pytest.approx(terms["assignment"].item() + terms["distance"].item() + extra, rel=1e-5)
    assert [player.name for player in model.players()] == (["D", "solver"] if judged else ["solver"])
    if judged:
        x, x_hat, *_ = model.put_together(batch, rng(11))
        assert x.shape == x_hat.shape == (4, 3, 30, 30) and np.isfinite(
            model.discriminator_loss(batch, rng(11))["-V"].item())
