"""Makes tests/autograd/golden.npz: what PyTorch says about the rows of the table of cases, for where it is absent.

    python tests/make_golden.py

For each row below: inputs x (drawn once and stored), and in float64 the values y, the first derivatives g = J^T u
and the second ones h, of <g, v> with respect to x and to u. The directions u and v are formulas, see `wave`.

The file holds all numbers in one vector, `numbers`, and `index`, a JSON list of [row, shapes of x, shapes of y]; the
order within a row is x, y, g, h.
"""
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

from autograd import cases

PATH = pathlib.Path(__file__).parent / "autograd" / "golden.npz"
labels, mask = torch.tensor(cases._labels), torch.tensor(cases._mask)
weights = torch.tensor([0.5, 1.0, 2.0, 1.5], dtype=torch.float64)


def wave(shape, k):
    """The k-th direction of a shape: some numbers, the same everywhere."""
    return np.cos(1.0 + k + 0.7 * np.arange(int(np.prod(shape))) ** 1.3).reshape(shape)


def gradient(f):
    """As in cases.py."""

    def g(*xs):
        return torch.autograd.grad((f(*xs) ** 2).sum(), xs, create_graph=True)

    return g


def scatter_add(x):
    return torch.zeros(3, 5, dtype=x.dtype).index_add(0, torch.tensor([0, 2, 0]), x) ** 2


def pad(mode, *widths):
    return lambda x: F.pad(x[None], widths, mode)[0] ** 2


def unpool(y):
    return F.max_unpool2d(y, torch.tensor([[[[0, 7], [9, 14]]]]), 2) ** 2


TORCH = {
    # sweep.py
    "add": torch.add,
    "add broadcast": torch.add,
    "add same input twice": lambda x: x + x,
    "add number": lambda x: 2 + x,
    "astype": lambda x: x.to(torch.float64),
    "broadcast_to": lambda x: torch.broadcast_to(x, (5, 3, 4)),
    "sum_to": lambda x: x.sum_to_size(3, 1),
    # ops.py
    "sub": torch.sub,
    "sub number": lambda x: 2.0 - x,
    "mul": torch.mul,
    "mul same input": lambda x: x * x * x,
    "div": torch.div,
    "div number": lambda x: 2.0 / x,
    "neg": lambda x: -x * x,
    "power": torch.pow,
    "power integer": lambda x: x**3,
    "power square": lambda x: x**2,
    "power fraction": lambda x: x**-0.5,
    "power of a number": lambda x: 2.0**x,
    "power array": lambda x: x ** torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=x.dtype),
    "square": torch.square,
    "exp": torch.exp,
    "expm1": torch.expm1,
    "log": torch.log,
    "log2": torch.log2,
    "log10": torch.log10,
    "log1p": torch.log1p,
    "sqrt": torch.sqrt,
    "sin": torch.sin,
    "cos": torch.cos,
    "arctan": torch.arctan,
    "tanh": torch.tanh,
    "erf": torch.erf,
    "lgamma": torch.lgamma,
    "lgamma negative": torch.lgamma,
    "polygamma 0": lambda x: torch.polygamma(0, x),
    "polygamma 2": lambda x: torch.polygamma(2, x),
    "where": lambda a, b: torch.where(mask, a, b),
    "where number": lambda a: torch.where(mask, 1.0, a * a),
    "abs": lambda x: x.abs() * x,
    "maximum": lambda a, b: torch.maximum(a, b) * a,
    "maximum ties": lambda a: torch.maximum(a, a) * a,
    "minimum": lambda a, b: torch.minimum(a, b) * a,
    "minimum ties": lambda a: torch.minimum(a, a) * a,
    "clip": lambda x: torch.clamp(x, -0.5, 0.7) * x,
    "clip one side": lambda x: torch.clamp(x, min=0.0) * x,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "softplus with threshold": lambda x: F.softplus(x, 2.0, 1.0) * x,
    "relu": lambda x: F.relu(x) * x,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2) * x,
    "elu": lambda x: F.elu(x, 1.5),
    "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "matmul": torch.matmul,
    "matmul batches": torch.matmul,
    "matmul one matrix": torch.matmul,
    "matmul vector left": torch.matmul,
    "matmul vector right": torch.matmul,
    "matmul vectors": torch.matmul,
    "linear": F.linear,
    "linear no bias": F.linear,
    # shape.py
    "reshape": lambda x: x.reshape(2, -1) ** 2,
    "transpose": lambda x: x.permute(2, 0, 1) ** 2,
    "transpose T": lambda x: x.T @ x,
    "swapaxes": lambda x: x.swapaxes(0, 2) ** 2,
    "moveaxis": lambda x: torch.movedim(x, 0, 2) ** 2,
    "expand_dims": lambda x: x[None, :, None] ** 2,
    "squeeze": lambda x: torch.squeeze(x, 1) ** 2,
    "flatten": lambda x: torch.flatten(x, 1) ** 2,
    "concatenate": lambda a, b: torch.cat([a, b, a], 1) ** 2,
    "stack": lambda a, b: torch.stack([a, b, a], -1) ** 2,
    "split": lambda x: [y**2 for y in torch.tensor_split(x, 3, 1)],
    "split indices": lambda x: [y**2 for y in torch.tensor_split(x, [1, 4])],
    "repeat": lambda x: x.repeat_interleave(3, 1) ** 2,
    "repeat counts": lambda x: x.reshape(-1).repeat_interleave(torch.tensor([2, 0, 1, 1, 3, 1])) ** 2,
    "tile": lambda x: torch.tile(x, (3, 1, 2)) ** 2,
    "getitem basic": lambda x: x.flip(1)[1:, None, ::2] ** 2,
    "getitem repeated": lambda x: x[[0, 2, 0, 0]] ** 2,
    "getitem mixed": lambda x: x[:, [0, 1], 1:] ** 2,
    "getitem boolean": lambda x: x[mask] ** 2,
    "scatter_add": scatter_add,
    "take_along_axis": lambda x: torch.take_along_dim(x, torch.tensor([[0, 0, 2], [1, 1, 3]]), 1) ** 2,
    "diagonal": lambda x: torch.diagonal(x, -1, 0, 2) ** 2,
    "pad": lambda x: F.pad(x, (0, 3, 1, 2), value=0.5) ** 2,
    "pad reflect": pad("reflect", 3, 0, 1, 2),
    "pad edge": pad("replicate", 0, 3, 1, 2),
    "flip": lambda x: torch.flip(x, (1,)) ** 2 * x,
    "roll": lambda x: torch.roll(x, (1, -2), (0, 1)) ** 2 * x,
    "roll flattened": lambda x: torch.roll(x, 5) ** 2 * x,
    "tril": lambda x: torch.tril(x, -1) ** 2,
    "triu": lambda x: torch.triu(x, 1) ** 2,
    # reduce.py
    "sum": lambda x: x.sum((0, 2)) ** 2,
    "sum all": lambda x: x.sum() ** 2,
    "mean": lambda x: x.mean(1, keepdim=True) ** 2,
    "var": lambda x: torch.var(x, (0, 2), correction=0),
    "var unbiased": lambda x: torch.var(x, 1, correction=1),
    "std": lambda x: torch.std(x, -1, correction=0),
    "prod": lambda x: torch.prod(x, 1),
    "prod axes": lambda x: torch.prod(torch.prod(x, 2, keepdim=True), 0, keepdim=True),
    "prod one zero": lambda x: torch.prod(x, 1),
    "prod zeros": torch.prod,
    "vector_norm": lambda x: torch.linalg.vector_norm(x, dim=(0, 2)),
    "vector_norm 1": lambda x: torch.linalg.vector_norm(x, 1, 1) ** 2,
    "vector_norm 3": lambda x: torch.linalg.vector_norm(x, 3, -1, keepdim=True),
    "vector_norm inf": lambda x: torch.linalg.vector_norm(x, float("inf")) ** 2,
    "max": lambda x: torch.amax(x, 1) ** 2,
    "max ties": lambda x: torch.amax(torch.stack([x, x]), 0) ** 2,
    "min": lambda x: torch.amin(x, (0, 2), keepdim=True) ** 2,
    "logsumexp": lambda x: torch.logsumexp(x, 1),
    "logsumexp all": lambda x: torch.logsumexp(x, (0, 1), keepdim=True),
    "logaddexp": torch.logaddexp,
    "softmax": lambda x: F.softmax(x, 1),
    "log_softmax": lambda x: F.log_softmax(x, 1),
    "cumsum": lambda x: torch.cumsum(x, 1) ** 2,
    "cumsum flattened": lambda x: torch.cumsum(x.reshape(-1), 0) ** 2,
    "cumprod": lambda x: torch.cumprod(x, 1),
    "cumprod zeros": lambda x: torch.cumprod(x, 0),
    "cumprod flattened": lambda x: torch.cumprod(x.reshape(-1), 0),
    "sort": lambda x: torch.sort(x, 0).values ** 2 * x,
    "sort flattened": lambda x: torch.sort(x.reshape(-1)).values ** 2,
    "topk": lambda x: torch.topk(x, 2, 1).values ** 2,
    "topk smallest": lambda x: torch.topk(x, 3, 0, largest=False).values ** 2,
    # linalg.py
    "einsum": lambda a, b: torch.einsum("ij,jk->ik", a, b),
    "einsum three": lambda a, b, c: torch.einsum("bij,bjk,k->bi", a, b, c),
    "einsum ellipsis": lambda a, b: torch.einsum("...i,...ji->j...", a, b),
    "einsum diagonal": lambda a, b: torch.einsum("iij,k->ji", a, b),
    "einsum sum": lambda a: torch.einsum("ij->", a) ** 2,
    "einsum lists": lambda a, b: torch.einsum(a, [0, 1], b, [1, 2], [2, 0]),
    "outer": torch.outer,
    "trace": lambda x: torch.diagonal(x, 1, 0, 2).sum(-1) ** 2,
    "solve": torch.linalg.solve,
    "solve broadcast": torch.linalg.solve,
    "solve vector": lambda A, b: torch.linalg.solve(A, b[:, None])[..., 0],
    "cholesky": lambda x: torch.linalg.cholesky(x @ x.mT),
    "inv": torch.linalg.inv,
    "det": torch.linalg.det,
    "det singular": torch.linalg.det,
    "slogdet": lambda A: torch.linalg.slogdet(A)[1],
    # functional.py
    "embedding": lambda w: F.embedding(labels, w) ** 2,
    "embedding padding": lambda w: F.embedding(labels, w, 2) ** 2 * (labels != 2)[:, None],
    "normalize": F.normalize,
    "normalize 3, some below eps": lambda x: F.normalize(x, 3.0, dim=0, eps=2.0),
    "cosine_similarity": F.cosine_similarity,
    "cosine_similarity broadcast": lambda a, b: F.cosine_similarity(a, b, dim=0),
    "l1_loss": lambda a, b: F.l1_loss(a, b) ** 2,
    "huber_loss": lambda a, b: F.huber_loss(a, b, delta=0.5),
    "kl_div": F.kl_div,
    "kl_div log target": lambda x, t: F.kl_div(x, t, reduction="batchmean", log_target=True),
    "mse_loss": F.mse_loss,
    "mse_loss sum": lambda a, b: F.mse_loss(a, b, reduction="sum"),
    "binary_cross_entropy_with_logits": F.binary_cross_entropy_with_logits,
    "binary_cross_entropy_with_logits weights": lambda x, t: F.binary_cross_entropy_with_logits(
        x, t, weight=weights, reduction="none", pos_weight=torch.tensor([3.0, 1.0, 0.5, 2.0], dtype=x.dtype)),
    "cross_entropy": lambda x: F.cross_entropy(x, labels),
    "cross_entropy weights": lambda x: F.cross_entropy(x, labels, weight=weights, ignore_index=0, label_smoothing=0.1),
    "cross_entropy probabilities": lambda x, q: F.cross_entropy(x, q, reduction="none", label_smoothing=0.2),
    # conv.py
    "conv2d": F.conv2d,
    "conv2d all options": lambda x, w: F.conv2d(x, w, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2),
    "conv2d third order": gradient(F.conv2d),
    "conv1d": lambda x, w, b: F.conv1d(x, w, b, stride=2, padding=1),
    "conv_transpose2d": F.conv_transpose2d,
    "conv_transpose2d all options": lambda y, w: F.conv_transpose2d(y, w, stride=(2, 3), padding=1,
                                                                    output_padding=(1, 2), groups=2),
    "conv_transpose1d": lambda y, w, b: F.conv_transpose1d(y, w, b, stride=2),
    "unfold": lambda x: F.unfold(x, (3, 2), stride=(1, 2), padding=1) ** 2,
    "fold": lambda y: F.fold(y, (4, 5), (3, 2), stride=(1, 2), padding=1) ** 2,
    # resample.py
    "max_pool2d": lambda x: F.max_pool2d(x, (3, 2), (2, 1), 1) ** 2,
    "max_pool1d": lambda x: F.max_pool1d(x, 3, 2, 1) ** 2,
    "max_unpool2d": unpool,
    "avg_pool2d": lambda x: F.avg_pool2d(x, (3, 2), (2, 1), 1, count_include_pad=False) ** 2,
    "avg_pool2d third order": gradient(lambda x: F.avg_pool2d(x, 2, 1)),
    "avg_pool1d": lambda x: F.avg_pool1d(x, 3, 2, 1, count_include_pad=False) ** 2,
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, (3, 2)) ** 2,
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x, (3, 2)) ** 2,
    "interpolate nearest": lambda x: F.interpolate(x, (7, 3)) ** 2,
    "interpolate linear": lambda x: F.interpolate(x, 7, mode="linear") ** 2,
    "interpolate bilinear": lambda x: F.interpolate(x, scale_factor=1.5, mode="bilinear") ** 2,
    "interpolate bicubic": lambda x: F.interpolate(x, (3, 8), mode="bicubic", align_corners=True) ** 2,
    "pixel_shuffle": lambda x: F.pixel_shuffle(x, 2) ** 2,
    "pixel_unshuffle": lambda x: F.pixel_unshuffle(x, 2) ** 2,
    # norm.py
    "batch_norm": lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
    "batch_norm evaluation": lambda x, w, b: F.batch_norm(x, torch.tensor([0.5, -1.0], dtype=x.dtype),
                                                          torch.tensor([2.0, 0.7], dtype=x.dtype), w, b),
    "group_norm": lambda x, w, b: F.group_norm(x, 2, w, b),
    "instance_norm": lambda x, w, b: F.instance_norm(x, None, None, w, b),
    "layer_norm": lambda x, w, b: F.layer_norm(x, (3, 4), w, b),
    "rms_norm": lambda x, w: F.rms_norm(x, (5,), w),
    # attention.py
    "scaled_dot_product_attention": F.scaled_dot_product_attention,
    "scaled_dot_product_attention causal": lambda q, k, v: F.scaled_dot_product_attention(
        q, k.expand_as(q), v, is_causal=True),
    "scaled_dot_product_attention mask": F.scaled_dot_product_attention,
}


def results(f, inputs):
    """(y, g, h), lists of arrays."""
    xs = [torch.tensor(x, requires_grad=True) for x in inputs]
    ys = f(*xs)
    ys = list(ys) if isinstance(ys, (list, tuple)) else [ys]
    us = [torch.tensor(wave(y.shape, k), requires_grad=True) for k, y in enumerate(ys)]
    gs = torch.autograd.grad(ys, xs, us, create_graph=True)
    vs = [torch.tensor(wave(g.shape, 10 + k)) for k, g in enumerate(gs)]
    hs = torch.autograd.grad(gs, xs + us, vs, allow_unused=True, materialize_grads=True)
    return [[t.numpy(force=True) for t in part] for part in (ys, gs, hs)]


def main():
    rows = {str(row): row for row in cases.CASES}
    unknown = set(TORCH) - set(rows)
    assert not unknown, f"no such rows: {sorted(unknown)}"
    print("rows without a counterpart here:", ", ".join(sorted(set(rows) - set(TORCH))))
    index, numbers = [], []
    for number, (name, f) in enumerate(TORCH.items()):
        xs = rows[name].inputs(np.random.default_rng(number))
        ys, gs, hs = results(f, xs)
        index.append([name, [x.shape for x in xs], [y.shape for y in ys]])
        numbers += [array.reshape(-1) for array in (*xs, *ys, *gs, *hs)]
    np.savez_compressed(PATH, numbers=np.concatenate(numbers), index=np.array(json.dumps(index)))
    print(f"{PATH.name}: {len(index)} rows, {PATH.stat().st_size / 1e3:.0f} kB, made with torch {torch.__version__}")


if __name__ == "__main__":
    main()
