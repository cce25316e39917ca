"""Transformer blocks against PyTorch's; causality, padding and the cache of keys and values, against what breaks them."""
import math

import numpy as np
import pytest

from autograd import Tensor, backend, grad, no_grad, parameter
from autograd.backend import asarray, to_numpy, xp
from minigen.nn import Transformer, TransformerBlock
from minigen.nn.transformer import KeysValues, causal_mask


def draw(*shape, seed=1, dtype=np.float32):
    return Tensor(asarray(np.random.default_rng(seed).standard_normal(shape).astype(dtype)))


def shaken(module, dtype=np.float32):
    """The module in eval mode with all of its parameters random and far from 0, of this dtype."""
    rng = np.random.default_rng(7)
    for name, p in module.named_parameters():
        size = rng.standard_normal(p.shape) / math.sqrt(p.shape[-1]) * 1.5
        p.data = asarray((size + (1.0 if "norm" in name and name.endswith("weight") else 0.0)).astype(dtype))
    return module.eval()


def build(causal=True, context=None, dtype=np.float32, **settings):
    """D = 8 in 2 heads, 2 blocks."""
    return shaken(Transformer(8, 2, 2, causal, context, rng=backend.rng(0), **settings), dtype)


def one_by_one(model, x, context=None, context_padding=None, chunks=None):
    """The outputs of tokens that arrive one after the other, or in chunks of these lengths."""
    cache, found, begin = model.cache(context, context_padding), [], 0
    for length in chunks or [1] * x.shape[1]:
        found.append(model(x[:, begin : begin + length], cache=cache).numpy())
        begin += length
    assert cache.length == begin
    return np.concatenate(found, axis=1)


# Against PyTorch


def gelu_tanh(torch):
    return lambda x: torch.nn.functional.gelu(x, approximate="tanh")


def compare(y, y_twin, ours, theirs, u, torch):
    """Outputs, and the gradients of <u, y> by all parameters and inputs: ours, theirs: name -> leaf."""
    np.testing.assert_allclose(y.numpy(), y_twin.detach(), rtol=1e-4, atol=1e-5)
    y_twin.backward(torch.tensor(u.numpy()))
    for name, g in zip(ours, grad(y, list(ours.values()), u)):
        np.testing.assert_allclose(g.numpy(), theirs[name].grad, rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_pytorchs_encoder_layer_gives_the_same(causal, padded):
    torch = pytest.importorskip("torch")
    block = shaken(TransformerBlock(8, 2, hidden=12, rng=backend.rng(0)))
    twin = torch.nn.TransformerEncoderLayer(8, 2, 12, 0.0, gelu_tanh(torch), norm_first=True, batch_first=True)
    twin.load_state_dict({name: torch.tensor(array) for name, array in block.state_dict().items()})
    x, mask = parameter(draw(3, 5, 8).data), causal_mask(5) if causal else None
    padding = np.arange(5) >= np.array([[5], [3], [4]]) if padded else None
    as_torch = lambda a: None if a is None else torch.tensor(to_numpy(a))
    q = torch.tensor(x.numpy(), requires_grad=True)
    y = block(x, mask=mask, padding=padding)
    twin.train()  # in eval mode torch may take a fused path, that has no gradients
    y_twin = twin(q, src_mask=as_torch(mask), src_key_padding_mask=as_torch(padding))
    compare(y, y_twin, dict(block.named_parameters()) | {"x": x}, dict(twin.named_parameters()) | {"x": q},
            draw(3, 5, 8, seed=2), torch)


@pytest.mark.parametrize("padded", [False, True])
def test_pytorchs_decoder_layer_gives_the_same(padded):
    torch = pytest.importorskip("torch")
    block = shaken(TransformerBlock(8, 2, context=8, hidden=12, rng=backend.rng(0)))
    twin = torch.nn.TransformerDecoderLayer(8, 2, 12, 0.0, gelu_tanh(torch), norm_first=True, batch_first=True)
    twin.load_state_dict({name: torch.tensor(array) for name, array in block.state_dict().items()})
    x, c = parameter(draw(3, 5, 8).data), parameter(draw(3, 4, 8, seed=3).data)
    q, c_twin = (torch.tensor(a.numpy(), requires_grad=True) for a in (x, c))
    padding = np.arange(4) >= np.array([[4], [1], [2]]) if padded else None
    as_torch = lambda a: None if a is None else torch.tensor(to_numpy(a))
    y = block(x, c, causal_mask(5), context_padding=padding)
    y_twin = twin(q, c_twin, tgt_mask=as_torch(causal_mask(5)), memory_key_padding_mask=as_torch(padding))
    compare(y, y_twin, dict(block.named_parameters()) | {"x": x, "context": c},
            dict(twin.named_parameters()) | {"x": q, "context": c_twin}, draw(3, 5, 8, seed=2), torch)


def test_pytorchs_encoder_has_the_same_stack():
    torch = pytest.importorskip("torch")
    model = build(causal=False, hidden=12)
    layer = torch.nn.TransformerEncoderLayer(8, 2, 12, 0.0, gelu_tanh(torch), norm_first=True, batch_first=True)
    twin = torch.nn.TransformerEncoder(layer, 2, torch.nn.LayerNorm(8), enable_nested_tensor=False)
    twin.load_state_dict({name: torch.tensor(array) for name, array in model.state_dict().items()})
    x = draw(3, 5, 8)
    np.testing.assert_allclose(model(x).numpy(), twin(torch.tensor(x.numpy())).detach(), rtol=1e-4, atol=1e-5)


# Who sees whom


def jacobian_support(f, x, seed=5):
    """(T, T) booleans: does output token t change with input token s? By random cotangents, one token at a time."""
    T, found = x.shape[1], []
    for t in range(T):
        y = f(x)
        u = np.zeros(y.shape, np.float32)
        u[:, t] = np.random.default_rng(seed + t).standard_normal(y.shape[::2])
        (g,) = grad(y, [x], Tensor(asarray(u)))
        found.append(np.abs(g.numpy()).max(axis=(0, 2)) > 1e-7)
    return np.array(found)


def test_causal_means_lower_triangular():
    """All of the triangle, diagonal included, and nothing else."""
    x = parameter(draw(2, 6, 8).data)
    np.testing.assert_array_equal(jacobian_support(build(), x), np.tri(6, dtype=bool))
    assert jacobian_support(build(causal=False), x).all()


def test_a_mask_that_is_off_by_one_is_noticed(monkeypatch):
    monkeypatch.setattr("minigen.nn.transformer.causal_mask", lambda T: ~xp.tri(T, T, 1, dtype=bool))
    support = jacobian_support(build(), parameter(draw(2, 6, 8).data))
    assert support[2, 3] and not np.array_equal(support, np.tri(6, dtype=bool))


def test_weights_of_attention():
    """Rows sum to one, nothing above the diagonal, and they are those that the output was made with."""
    model, x = build(), draw(2, 6, 8)
    found = [to_numpy(weights) for weights in model.weights(x)]
    assert len(found) == 2 and found[0].shape == (2, 2, 6, 6)
    for weights in found:
        np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
        assert not np.triu(weights, 1).any() and (np.diagonal(weights, axis1=2, axis2=3) > 0).all()
    block = model.layers[0]
    h = block.norm1(x)
    v = block.self_attn.project(h, h, h)[2].numpy()
    y = (found[0] @ v).transpose(0, 2, 1, 3).reshape(2, 6, 8)
    expected = block.self_attn(h, h, h, attn_mask=causal_mask(6))[0]
    np.testing.assert_allclose(block.self_attn.out_proj(asarray(y)).numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_padding_changes_nothing(causal):
    """A text of 4 tokens, filled up to 6 with anything, at the end or at the beginning."""
    model, x = build(causal), draw(2, 4, 8)
    alone = model(x).numpy()
    for filler in (draw(2, 2, 8, seed=8), 50 * draw(2, 2, 8, seed=9)):
        for order in (slice(None), slice(None, None, -1)):
            parts = [(x, np.zeros((2, 4), bool)), (filler, np.ones((2, 2), bool))][order]
            filled = Tensor(xp.concatenate([part.data for part, _ in parts], axis=1))
            padding = np.concatenate([hidden for _, hidden in parts], axis=1)
            np.testing.assert_allclose(model(filled, padding=padding).numpy()[~padding].reshape(2, 4, 8), alone,
                                       rtol=1e-4, atol=1e-5)
            if causal:
                cache, begin = model.cache(), 0
                for length in (3, 1, 2):
                    part = slice(begin, begin + length)
                    y = model(filled[:, part], padding=padding[:, part], cache=cache).numpy()
                    begin += length
                assert padding[0, -1] or np.allclose(y[:, -1], alone[:, -1], rtol=1e-4, atol=1e-5)
    assert np.abs(model(filled).numpy()[~padding].reshape(2, 4, 8) - alone).max() > 0.01  # unless nobody says so


def test_padding_of_a_context_changes_nothing():
    model, x, context = build(context=5), draw(2, 4, 8), draw(2, 3, 5, seed=2)
    alone = model(x, context).numpy()
    filled = Tensor(xp.concatenate([context.data, 50 * draw(2, 2, 5, seed=3).data], axis=1))
    padding = np.repeat([[False, False, False, True, True]], 2, axis=0)
    y = model(x, filled, context_padding=padding).numpy()
    np.testing.assert_allclose(y, alone, rtol=1e-4, atol=1e-5)
    assert np.abs(model(x, filled).numpy() - alone).max() > 0.01
    np.testing.assert_allclose(one_by_one(model, x, filled, padding), alone, rtol=1e-4, atol=1e-5)


# The cache


@pytest.mark.parametrize("context", [None, 5])
@pytest.mark.parametrize("chunks", [None, [3, 1, 1, 4], [9]])
def test_cached_is_uncached(context, chunks):
    """To rounding: 1e-5 in float32, and 1e-13 in float64, where a mistake would be as large as ever."""
    for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-13)):
        model, x = build(context=context, dtype=dtype), draw(3, 9, 8, dtype=dtype)
        c = draw(3, 4, 5, seed=2, dtype=dtype) if context else None
        with no_grad():
            y = model(x, c).numpy()
        assert y.dtype == dtype
        np.testing.assert_allclose(one_by_one(model, x, c, chunks=chunks), y, rtol=tolerance, atol=tolerance)


def test_what_is_in_the_cache_does_not_depend_on_what_follows():
    """Bit for bit: the steps from scratch for a prefix give what the cache holds after more steps than that."""
    model, x = build(), draw(3, 9, 8)
    y = one_by_one(model, x)
    for T in range(1, 10):
        np.testing.assert_array_equal(one_by_one(model, x[:, :T]), y[:, :T])


def test_a_cache_out_of_step_is_noticed(monkeypatch):
    """Mutants: the newest token left out; written over the one before it; the oldest forgotten."""
    model, x = build(), draw(3, 9, 8)
    y, extend = model(x).numpy(), KeysValues.extend

    def late(self, k, v, N):
        found = extend(self, k, v, N)
        return [a[:, :, : max(1, self.S - 1)] for a in found]

    def overwriting(self, k, v, N):
        self.S -= self.S > 2
        return extend(self, k, v, N)

    def forgetful(self, k, v, N):
        found = extend(self, k, v, N)
        return [a[:, :, 1:] if self.S > 5 else a for a in found]

    for mutant in (late, overwriting, forgetful):
        monkeypatch.setattr(KeysValues, "extend", mutant)
        assert np.abs(one_by_one(model, x) - y).max() > 0.01


def test_a_cache_does_a_tokens_work():
    """The 30th of 30 tokens alone is projected, not all of them."""
    model, x, rows = build(), draw(2, 30, 8), []
    linear1 = model.layers[1].linear1
    forward = linear1.forward
    linear1.forward = lambda h: rows.append(h.shape[1]) or forward(h)
    one_by_one(model, x)
    assert rows == [1] * 30


# In training


def test_dropout_only_in_training():
    model, x, c = build(context=5, dropout=0.3), draw(2, 5, 8), draw(2, 3, 5)
    model.train()
    assert np.abs(model(x, c).numpy() - model(x, c).numpy()).max() > 0.01
    model.eval()
    np.testing.assert_array_equal(model(x, c).numpy(), model(x, c).numpy())


def test_initial_weights():
    """GPT-2's: the sum of 2 (with a context 3) branches a block is as large as one of them with std 0.02."""
    for context, branches in ((None, 8), (32, 12)):
        model = Transformer(64, 4, 4, context=context, rng=backend.rng(0))
        for name, p in model.named_parameters():
            if p.ndim == 1:
                assert (p.data == float("norm" in name and name.endswith("weight"))).all(), name
            else:
                last = name.endswith(("out_proj.weight", "linear2.weight"))
                expected = 0.02 / math.sqrt(branches if last else 1)
                assert float(p.data.std()) == pytest.approx(expected, rel=0.06), name


@pytest.mark.parametrize("call, message", [
    (lambda m, x: Transformer(8, 0, 2, rng=backend.rng(0)), "blocks is 0, expected at least 1"),
    (lambda m, x: Transformer(8, 1, 3, rng=backend.rng(0)), "embed_dim=8 does not divide into num_heads=3"),
    (lambda m, x: m(draw(2, 5, 7)), "x has shape (2, 5, 7), expected (N, T, 8)"),
    (lambda m, x: m(x, x), "made with context=None, and was given one of shape (2, 5, 8)"),
    (lambda m, x: build(context=3)(x), "made with context=3, and was given none"),
    (lambda m, x: build(context=3)(x, x), "context has shape (2, 5, 8), expected (N, S, 3)"),
    (lambda m, x: m(x, padding=np.zeros((2, 4), bool)), "padding has shape (2, 4), expected (2, 5)"),
    (lambda m, x: build(causal=False).cache(), "pass causal=True"),
    (lambda m, x: build(context=8)(x, x, cache=build(context=8).cache(x)), "pass it to cache() alone"),
    (lambda m, x: build(context=8)(x[:1], cache=build(context=8).cache(x)), "the cache is of 2 sequences"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call(build(), draw(2, 5, 8))
    assert message in str(error.value)


def test_a_cache_is_of_one_batch():
    model, x = build(), draw(2, 5, 8)
    cache = model.cache()
    model(x, cache=cache)
    with pytest.raises(ValueError, match="the cache is of 2 sequences, and was given 1"):
        model(x[:1], cache=cache)
    with pytest.raises(ValueError, match="the cache holds no tokens yet, and was given none"):
        model.layers[0].self_attn(x, None, None, cache=KeysValues())
