"""DiT: it begins as nothing, its blocks with open gates are a transformer's, and squares come back where they were."""
import numpy as np
import pytest

from autograd import Tensor, backend, grad
from autograd.backend import asarray, normal
from minigen.data import Space
from minigen.diffusion import cosine_schedule
from minigen.models.diffusion import ClassifierFree
from minigen.nn import DiT, DiTBlock, TransformerBlock
from minigen.nn.dit import places


def build(model=DiT, seed=0, **arguments):
    return model(1, **{"width": 16, "blocks": 2, "heads": 2, "condition": 10, "rng": backend.rng(seed), **arguments})


def perturbed(network):
    rng = backend.rng(1)
    for p in network.parameters():
        p.assign(p.data + 0.1 * normal(rng, p.shape))
    return network


def one_hot(*classes):
    return Tensor(asarray(np.eye(10, dtype=np.float32)[list(classes)]))


X, T = normal(backend.rng(2), (3, 1, 8, 6)), np.array([3, 500, 1000])


def test_at_the_start_each_block_is_the_identity_and_the_output_zero():
    network, h, c = build(), Tensor(normal(backend.rng(3), (3, 5, 16))), Tensor(normal(backend.rng(4), (3, 16)))
    for block in network.blocks:
        np.testing.assert_array_equal(block(h, c).numpy(), h.numpy())
    assert not network(X, T, one_hot(1, 2, 3)).numpy().any()

    def off(block):
        return np.abs(block(h, c).numpy() - h.numpy()).max()

    open_gates = perturbed(network.blocks[0])
    assert off(open_gates) > 0.1  # a block whose modulation starts otherwise


def test_gradients_reach_the_modulation_first():
    """With the gates at 0 nothing else of a block moves in the first step, and of all only the head while it is 0."""
    network = build()
    y = network(X, T, one_hot(1, 2, 3))
    names, parameters = zip(*network.named_parameters())
    gradients = grad((y * normal(backend.rng(5), y.shape)).sum(), parameters)
    moved = {name for name, g in zip(names, gradients) if g.numpy().any()}
    assert moved == {"head.weight", "head.bias"}
    network.head.weight.assign(1.0 + normal(backend.rng(6), network.head.weight.shape))
    y = network(X, T, one_hot(1, 2, 3))
    gradients = dict(zip(names, grad((y * normal(backend.rng(5), y.shape)).sum(), parameters)))
    assert gradients["blocks.0.modulation.weight"].numpy().any()
    assert not gradients["blocks.0.linear1.weight"].numpy().any()


def test_with_open_gates_a_block_is_a_transformer_s():
    """shift = scale = 0, gate = 1: pre-norm attention and network, as in TransformerBlock."""
    block, like = DiTBlock(16, 2, rng=backend.rng(0)), TransformerBlock(16, 2, rng=backend.rng(1))
    own = {name: array for name, array in block.state_dict().items() if not name.startswith("modulation")}
    like.load_state_dict({**like.state_dict(), **own})
    bias = np.zeros((6, 16), np.float32)
    bias[[2, 5]] = 1.0
    block.modulation.bias.assign(bias.ravel())
    h = normal(backend.rng(2), (3, 5, 16))
    np.testing.assert_allclose(block(Tensor(h), Tensor(np.ones((3, 16)))).numpy(), like(Tensor(h)).numpy(), atol=1e-4)
    for closed, other in ((2, "linear2"), (5, "self_attn.out_proj")):  # a gate at 0 leaves the other branch
        one = bias.copy()
        one[7 - closed] = 0.0
        block.modulation.bias.assign(one.ravel())
        like.load_state_dict({**like.state_dict(), **own, **{
            name: 0.0 * array for name, array in own.items() if name.startswith(other)}})
        np.testing.assert_allclose(block(Tensor(h), Tensor(np.ones((3, 16)))).numpy(), like(Tensor(h)).numpy(), atol=1e-4)


def pixels_that_count(network, i, j):
    """Those of the input that pixel (i, j) of the output depends on."""
    x = Tensor(X[:1]).detach()
    from_image = lambda x: network(x, T[:1], one_hot(1)).numpy()[0, 0, i, j]
    before, found = from_image(x), np.zeros((8, 6), bool)
    for row, column in np.ndindex(8, 6):
        moved = X[:1].copy()
        moved[0, 0, row, column] += 1.0
        found[row, column] = abs(from_image(Tensor(moved)) - before) > 1e-6
    return found


class Turned(DiT):
    """Squares put together by columns where they were taken apart by rows."""

    def image(self, h, grid):
        N, T, C = h.shape
        return super().image(h.reshape(N, *grid[::-1], C).transpose(0, 2, 1, 3).reshape(N, T, C), grid)


def with_closed_gates(model):
    network = perturbed(build(model))
    for block in network.blocks:
        for p in block.modulation.parameters():
            p.assign(0.0)
    return network


def test_squares_come_back_where_they_were():
    """With all gates closed, a pixel depends on its own square of 2 x 2 alone; with open ones on everything."""
    expected = np.zeros((8, 6), bool)
    expected[2:4, 4:6] = True
    np.testing.assert_array_equal(pixels_that_count(with_closed_gates(DiT), 3, 4), expected)
    assert pixels_that_count(perturbed(build()), 3, 4).all()
    assert not np.array_equal(pixels_that_count(with_closed_gates(Turned), 3, 4), expected)
    network = build(patch=1)
    tokens, grid = network.tokens(Tensor(X))
    np.testing.assert_array_equal(network.image(tokens, grid).numpy(), X)


def test_places_differ_and_are_of_rows_and_columns():
    code = places(4, 3, 16).reshape(4, 3, 16)
    assert len(np.unique(code.reshape(12, 16).round(4), axis=0)) == 12
    assert (code[:, 0, :8] == code[:, 2, :8]).all() and (code[0, :, 8:] == code[3, :, 8:]).all()


def test_it_is_told_the_time_and_the_class():
    network = perturbed(build())
    y = lambda *args, **told: network(X, *args, **told).numpy()
    told, nothing = y(T, one_hot(1, 2, 3)), y(T)
    assert np.abs(y(T - 1, one_hot(1, 2, 3)) - told).max() > 1e-4
    some = y(T, one_hot(1, 2, 3), dropped=np.array([False, True, False]))
    for i, expected in enumerate((told, nothing, told)):
        np.testing.assert_allclose(some[i], expected[i], atol=1e-6)
    for k in range(10):  # nothing is no class
        assert np.abs(y(T, one_hot(k, k, k)) - nothing).max() > 1e-4


def test_any_model_takes_it():
    """That of classifier-free guidance: it draws, is measured, and gradients reach every parameter."""
    model = ClassifierFree(perturbed(build()), cosine_schedule(20), Space((1, 8, 8), 17), Space((), 10), steps=3)
    rng = backend.rng(3)
    batch = {"x": rng.integers(0, 17, (40, 1, 8, 8)).astype(np.uint8), "y": rng.integers(0, 10, 40)}
    gradients = grad(model.loss(batch, rng)["L_simple"], model.network.parameters())
    assert all(np.any(g.numpy()) for g in gradients)
    assert model.sample(4, rng, y=np.arange(4)).shape == (4, 1, 8, 8)


@pytest.mark.parametrize("call, message", [
    (lambda: build(width=18), "DiT: width is 18, expected a multiple of 4"),
    (lambda: build()(X[:, :, :7], T), "DiT: input has shape (3, 1, 7, 6), expected (N, 1, H, W), H and W multiples of"),
    (lambda: build()(X, T[:2]), "DiT: t has shape (2,), expected one number per image of (3, 1, 8, 6): (3,)"),
    (lambda: build()(X, T, one_hot(1)), "DiT: condition has shape (1, 10), expected (3, 10)"),
    (lambda: build(condition=None)(X, T, one_hot(1, 2, 3)), "expected none: build the network with condition="),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)
