"""Multi-head attention and position codes: against the formula, against PyTorch, and what they must not see."""
import numpy as np
import pytest

from autograd import Tensor, backend, grad
from autograd.backend import to_numpy
from minigen.nn import LearnedPositions, MultiheadAttention, SinusoidalPositions, sinusoidal_code


def draw(*shape, seed=1):
    return Tensor(backend.rng(seed).standard_normal(shape, dtype=np.float32))


def build(*arguments, **keywords):
    """A module whose biases are not 0."""
    attention = MultiheadAttention(*arguments, **keywords, rng=backend.rng(0))
    rng = backend.rng(7)
    for p in attention.parameters():
        p.data[...] = backend.normal(rng, p.shape) / np.sqrt(p.shape[-1])
    return attention


CASES = {
    "self": ({}, {}),
    "batch first, no bias": ({"batch_first": True, "bias": False}, {}),
    "other widths": ({"kdim": 5, "vdim": 7}, {}),
    "one other width": ({"vdim": 3, "batch_first": True}, {}),
    "boolean mask": ({}, {"attn_mask": np.triu(np.ones((4, 6), bool), 3)}),
    "added mask": ({}, {"attn_mask": np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)}),
    "mask per head": ({}, {"attn_mask": np.arange(2 * 2 * 4 * 6).reshape(4, 4, 6) % 5 == 0}),
    "padding": ({"batch_first": True}, {"key_padding_mask": np.arange(12).reshape(2, 6) % 4 == 3}),
}


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_pytorch_gives_the_same(case, need_weights):
    """D = 8 in 2 heads, N = 2, T = 4 queries, S = 6 keys: output, weights and gradients."""
    torch = pytest.importorskip("torch")
    built, called = CASES[case]
    attention, twin = build(8, 2, **built), torch.nn.MultiheadAttention(8, 2, **built)
    twin.load_state_dict({name: torch.tensor(array) for name, array in attention.state_dict().items()})
    q, k, v = draw(2, 4, 8), draw(2, 6, attention.kdim, seed=2), draw(2, 6, attention.vdim, seed=3)
    if not attention.batch_first:
        q, k, v = (x.swapaxes(0, 1) for x in (q, k, v))

    y, weights = attention(q, k, v, need_weights=need_weights, average_attn_weights=False, **called)
    y_twin, weights_twin = twin(*(torch.tensor(x.numpy()) for x in (q, k, v)), need_weights=need_weights,
                                average_attn_weights=False, **{key: torch.tensor(m) for key, m in called.items()})
    np.testing.assert_allclose(y.numpy(), y_twin.detach(), rtol=1e-4, atol=1e-5)
    if need_weights:
        np.testing.assert_allclose(weights.numpy(), weights_twin.detach(), rtol=1e-4, atol=1e-6)
        mean = attention(q, k, v, **called)[1]
        np.testing.assert_allclose(mean.numpy(), weights_twin.detach().numpy().mean(axis=1), rtol=1e-4, atol=1e-6)
    else:
        assert weights is None
    u = draw(*y.shape, seed=4)
    y_twin.backward(torch.tensor(u.numpy()))
    for (name, _), g in zip(attention.named_parameters(), grad(y, attention.parameters(), u)):
        expected = dict(twin.named_parameters())[name].grad
        np.testing.assert_allclose(g.numpy(), expected, rtol=1e-3, atol=1e-5, err_msg=name)


def test_self_attention_in_one_product_is_the_same_as_in_three():
    attention, x = build(8, 2, batch_first=True), draw(2, 5, 8)
    copies = [Tensor(x.data.copy()) for _ in range(3)]
    np.testing.assert_allclose(attention(x, x, x)[0].numpy(), attention(*copies)[0].numpy(), rtol=1e-5, atol=1e-6)


def test_initial_weights():
    """Xavier's bound for queries, keys and values together, (3 D, D), and biases of 0."""
    attention = MultiheadAttention(64, 4, rng=backend.rng(0))
    bound = np.sqrt(6 / (64 + 3 * 64))
    assert 0.99 * bound < np.abs(attention.in_proj_weight.data).max() <= bound
    assert not attention.in_proj_bias.data.any() and not attention.out_proj.bias.data.any()


def test_order_of_the_keys_does_not_matter_without_codes():
    attention, q, k = build(8, 4, batch_first=True), draw(1, 3, 8), draw(1, 6, 8, seed=2)
    turned = Tensor(k.data[:, ::-1].copy())
    y, y_turned = attention(q, k, k)[0], attention(q, turned, turned)[0]
    np.testing.assert_allclose(y.numpy(), y_turned.numpy(), rtol=1e-4, atol=1e-6)


def test_what_is_masked_has_no_influence():
    attention, q, k = build(8, 2, batch_first=True), draw(2, 3, 8), draw(2, 6, 8, seed=2)
    hidden = np.zeros((2, 6), bool)
    hidden[:, 4:] = True
    other = k.data.copy()
    other[:, 4:] += 100
    for need_weights in (True, False):
        keywords = {"key_padding_mask": hidden, "need_weights": need_weights}
        y, z = attention(q, k, k, **keywords)[0], attention(q, Tensor(other), Tensor(other), **keywords)[0]
        np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-5, atol=1e-6)


def test_dropout_only_in_training():
    attention, x = build(8, 2, dropout=0.5, batch_first=True), draw(2, 5, 8)
    for need_weights in (True, False):
        attention.train()
        first, second = (attention(x, x, x, need_weights=need_weights)[0].numpy() for _ in range(2))
        assert np.abs(first - second).max() > 1e-3
        attention.eval()
        np.testing.assert_array_equal(*(attention(x, x, x, need_weights=need_weights)[0].numpy() for _ in range(2)))


def test_sinusoidal_code_is_the_papers():
    """PE(p, 2i) = sin(p / 10000^(2i / D)), PE(p, 2i + 1) = cos of it: here all sines come first."""
    D, positions = 12, np.array([0, 1, 7, 1000])
    code = to_numpy(sinusoidal_code(positions, D))
    for i in range(D // 2):
        np.testing.assert_allclose(code[:, i], np.sin(positions / 10000 ** (2 * i / D)), atol=1e-6)
        np.testing.assert_allclose(code[:, D // 2 + i], np.cos(positions / 10000 ** (2 * i / D)), atol=1e-6)
    assert code.dtype == np.float32


def test_a_shift_in_place_turns_the_code():
    """<code(p), code(p + k)> depends on k alone."""
    code = to_numpy(sinusoidal_code(np.arange(60), 32)).astype(np.float64)
    products = code @ code.T
    for k in (0, 1, 5, 20):
        assert np.ptp(np.diag(products, k)) < 1e-4
    assert products[0, 0] == pytest.approx(16)


def test_position_layers():
    x = draw(2, 5, 8)
    added, code = (SinusoidalPositions()(x) - x).numpy(), to_numpy(sinusoidal_code(np.arange(5), 8))
    np.testing.assert_allclose(added[1], code, atol=1e-6)
    learned = LearnedPositions(6, 8, rng=backend.rng(0))
    np.testing.assert_allclose((learned(x) - x).numpy()[0], learned.weight.numpy()[:5], atol=1e-6)
    (g,) = grad(learned(x).sum(), learned.parameters())
    np.testing.assert_array_equal(g.numpy(), np.r_[np.full((5, 8), 2.0), np.zeros((1, 8))])


@pytest.mark.parametrize("call, message", [
    (lambda a, x: MultiheadAttention(8, 3, rng=backend.rng(0)), "embed_dim=8 does not divide into num_heads=3"),
    (lambda a, x: a(x, x, draw(2, 5, 7)), "widths must be embed_dim=8, kdim=8, vdim=8"),
    (lambda a, x: a(x, x, draw(2, 4, 8)), "keys and values must be as many"),
    (lambda a, x: a(x, draw(3, 5, 8), draw(3, 5, 8)), "batches equal"),
    (lambda a, x: a(draw(5, 8), x, x), "three axes"),
    (lambda a, x: a(x, x, x, attn_mask=np.zeros((4, 5), bool)), "attn_mask has shape (4, 5)"),
    (lambda a, x: a(x, x, x, key_padding_mask=np.zeros((5, 2), bool)), "key_padding_mask has shape (5, 2)"),
    (lambda a, x: LearnedPositions(4, 8, rng=backend.rng(0))(x), "pass max_tokens=5"),
    (lambda a, x: sinusoidal_code([1], 5), "dim is 5, expected an even number"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call(build(8, 2, batch_first=True), draw(2, 5, 8))
    assert message in str(error.value)
