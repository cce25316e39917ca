"""Attention: against PyTorch, central differences, and what a weighted mean must do."""
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd import attention
from autograd.attention import scaled_dot_product_attention
from autograd.gradcheck import gradcheck, gradgradcheck

RUNS = settings(max_examples=40, deadline=None, derandomize=True, database=None,
                suppress_health_check=list(HealthCheck))
INF = float("inf")


def normal(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


@st.composite
def qkv(draw):
    """Shapes of query, key and value whose leading axes broadcast."""
    batch = draw(st.sampled_from([(), (2,), (3, 2), (2, 1, 2)]))
    L, S, E, Ev = (draw(st.integers(1, 5)) for _ in range(4))
    part = lambda: tuple(1 if draw(st.integers(0, 4)) == 0 else n for n in batch)
    return (*part(), L, E), (*part(), S, E), (*part(), S, Ev)


@RUNS
@given(qkv(), st.sampled_from(["none", "causal", "boolean", "additive", "learned"]),
       st.sampled_from([None, 0.3]), st.booleans(), st.integers(0, 10**6))
def test_attention_is_torchs(same_as_torch, shapes, kind, scale, shared_mask, seed):
    """Masks hide whole rows now and then: those rows are zero."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    theirs = torch.nn.functional.scaled_dot_product_attention
    arrays = normal(seed, *shapes)
    rng = np.random.default_rng(seed)
    batch = np.broadcast_shapes(*(s[:-2] for s in shapes))
    tokens = (shapes[0][-2], shapes[1][-2])
    shape = tokens if shared_mask else batch + tokens
    seen = rng.random(shape) < 0.5
    bias = rng.standard_normal(shape)
    with sdpa_kernel(SDPBackend.MATH):  # PyTorch's others have no second derivative
        if kind in ("none", "causal"):
            options = dict(is_causal=kind == "causal", scale=scale)
            f = lambda q, k, v: scaled_dot_product_attention(q, k, v, **options)
            g = lambda q, k, v: theirs(q, k, v, **options)
        elif kind == "boolean":
            f = lambda q, k, v: scaled_dot_product_attention(q, k, v, seen, scale=scale)
            g = lambda q, k, v: theirs(q, k, v, torch.tensor(seen), scale=scale)
        elif kind == "additive":
            mask = np.where(seen, bias, -INF)
            f = lambda q, k, v: scaled_dot_product_attention(q, k, v, mask.astype(q.dtype), scale=scale)
            g = lambda q, k, v: theirs(q, k, v, torch.tensor(mask, dtype=q.dtype), scale=scale)
        else:
            arrays.append(bias)
            f = lambda q, k, v, mask: scaled_dot_product_attention(q, k, v, mask, scale=scale)
            g = lambda q, k, v, mask: theirs(q, k, v, mask, scale=scale)
        same_as_torch(f, g, arrays)


MASKS = {
    "none": {},
    "causal": {"is_causal": True},
    "boolean": {"attn_mask": np.array([[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 0, 0]], bool)},
    "additive": {"attn_mask": np.array([[0.5, -INF, 1, 1], [-INF] * 4, [0, 0, 0, -1]])},
    "dropout": {"dropout_p": 0.4},
}


@pytest.mark.parametrize("name", MASKS)
def test_derivatives_by_central_differences(name):
    rng = np.random.default_rng(0)
    f = lambda q, k, v: scaled_dot_product_attention(q, k, v, rng=np.random.default_rng(1), **MASKS[name])
    inputs = normal(2, (2, 2, 3, 5), (2, 2, 4, 5), (2, 2, 4, 2))
    assert gradcheck(f, inputs, rng) < 1e-6
    assert gradgradcheck(f, inputs, rng) < 1e-6


@pytest.mark.parametrize("name", MASKS)
def test_the_size_of_a_block_does_not_matter(monkeypatch, name):
    inputs = [ag.parameter(a) for a in normal(2, (7, 2, 3, 5), (7, 2, 4, 5), (7, 2, 4, 2))]
    u, = normal(3, (7, 2, 3, 2))

    def run():
        y = scaled_dot_product_attention(*inputs, rng=np.random.default_rng(1), **MASKS[name])
        return [y, *ag.grad(y, inputs, u)]

    whole = run()
    monkeypatch.setattr(attention, "block", lambda: 50)  # two images at a time, and one at the end
    for a, b in zip(run(), whole):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_query_takes_a_mean_of_the_values():
    q, k, v = normal(0, (2, 3, 4), (2, 5, 4), (2, 5, 6))
    y = scaled_dot_product_attention(0.0 * q, k, v).numpy()
    np.testing.assert_allclose(y, np.broadcast_to(v.mean(axis=1, keepdims=True), y.shape), rtol=1e-12)
    y = scaled_dot_product_attention(100.0 * k, k, v, scale=100.0).numpy()  # each finds the key most like it
    best = (k @ k.swapaxes(1, 2)).argmax(axis=2)
    np.testing.assert_allclose(y, np.take_along_axis(v, best[..., None], 1), rtol=1e-10)
    order = [3, 1, 4, 0, 2]  # tokens have no order
    np.testing.assert_allclose(scaled_dot_product_attention(q, k[:, order], v[:, order]).numpy(),
                               scaled_dot_product_attention(q, k, v).numpy(), rtol=1e-12)


def test_causal_outputs_do_not_depend_on_later_tokens():
    q, k, v = normal(0, (6, 4), (6, 4), (6, 3))
    y = scaled_dot_product_attention(q, k, v, is_causal=True).numpy()
    k[4:], v[4:] = 7.0, -7.0
    np.testing.assert_array_equal(scaled_dot_product_attention(q, k, v, is_causal=True).numpy()[:4], y[:4])


def test_dropout_keeps_the_mean_and_its_draw():
    q, k, v = normal(0, (2, 3, 4), (2, 5, 4), (2, 5, 6))

    def run(seed, p=0.3):
        return scaled_dot_product_attention(q, k, v, dropout_p=p, rng=np.random.default_rng(seed)).numpy()

    np.testing.assert_array_equal(run(0), run(0))
    draws = np.stack([run(seed) for seed in range(2000)])
    error = draws.std(axis=0) / np.sqrt(len(draws))
    assert (np.abs(draws.mean(axis=0) - scaled_dot_product_attention(q, k, v).numpy()) < 5 * error).all()
    assert not run(0, p=1.0).any()


@pytest.mark.parametrize("L, S, E", [(0, 3, 4), (2, 0, 4), (2, 3, 0)])
def test_empty_axes(L, S, E):
    inputs = [ag.parameter(a) for a in normal(0, (2, L, E), (2, S, E), (2, S, 5))]
    y = scaled_dot_product_attention(*inputs)
    expected = inputs[2].numpy().mean(axis=1, keepdims=True) if E == 0 else 0.0
    np.testing.assert_allclose(y.numpy(), np.broadcast_to(expected, (2, L, 5)))
    assert [g.shape for g in ag.grad(y, inputs, np.ones(y.shape))] == [t.shape for t in inputs]


q, k, v = np.zeros((2, 3, 4)), np.zeros((2, 5, 4)), np.zeros((2, 5, 6))
attend = scaled_dot_product_attention

WRONG_VALUES = [
    (lambda: attend(q[0, 0], k, v), r"at least two axes.*query \(4,\)"),
    (lambda: attend(q, k[..., :3], v), r"query \(2, 3, 4\), key \(2, 5, 3\), value \(2, 5, 6\)"),
    (lambda: attend(q, k, v[:, :4]), r"as many tokens"),
    (lambda: attend(q, np.zeros((3, 5, 4)), v), r"leading axes do not broadcast"),
    (lambda: attend(q, k, v, np.ones((3, 5), bool), is_causal=True), r"either attn_mask or is_causal"),
    (lambda: attend(q, k, v, np.ones((3, 4), bool)), r"attn_mask \(3, 4\) does not broadcast to \(2, 3, 5\)"),
    (lambda: attend(q[0], k[0], v[0], np.ones((2, 3, 5), bool)), r"attn_mask \(2, 3, 5\) does not"),
    (lambda: attend(q, k, v, dropout_p=1.5, rng=np.random.default_rng(0)), r"dropout_p is 1.5"),
    (lambda: attend(q, k, v, dropout_p=0.5), r"needs a generator: pass rng"),
]
WRONG_TYPES = [
    (lambda: attend(q, k.astype(np.float32), v), r"one floating dtype, got float64, float32, float64"),
    (lambda: attend(q.astype(int), k.astype(int), v.astype(int)), r"one floating dtype, got int64"),
    (lambda: attend(q, k, v, np.ones((3, 5), int)), r"attn_mask has dtype int64"),
    (lambda: attend(q, k, v, np.ones((3, 5), np.float32)), r"attn_mask has dtype float32"),
]
WRONG = [(ValueError, *row) for row in WRONG_VALUES] + [(TypeError, *row) for row in WRONG_TYPES]


@pytest.mark.parametrize("error, call, message", WRONG)
def test_what_is_wrong_is_said(error, call, message):
    with pytest.raises(error, match=message):
        call()
