"""The rows of the table of cases against numbers that PyTorch gave (tests/make_golden.py), so without PyTorch."""
import json
import pathlib

import numpy as np
import pytest

import autograd as ag
from autograd.cases import CASES

PATH = pathlib.Path(__file__).parent / "golden.npz"
ROWS = {str(row): row for row in CASES}
WITHOUT = {"dropout"}  # ops with random numbers of our own


def read():
    """row -> (x, y, g, h), lists of arrays, as make_golden.py packed them."""
    with np.load(PATH) as file:
        numbers, index = file["numbers"], json.loads(str(file["index"]))
    golden, place = {}, 0
    for name, x_shapes, y_shapes in index:
        parts = []
        for shapes in (x_shapes, y_shapes, x_shapes, x_shapes + y_shapes):
            parts.append([])
            for shape in map(tuple, shapes):
                size = int(np.prod(shape))
                parts[-1].append(numbers[place : place + size].reshape(shape))
                place += size
        golden[name] = parts
    assert place == len(numbers)
    return golden


def wave(shape, k):
    """As in make_golden.py."""
    return np.cos(1.0 + k + 0.7 * np.arange(int(np.prod(shape))) ** 1.3).reshape(shape)


GOLDEN = read()


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    assert name in ROWS, "the table has no such row any more: run python tests/make_golden.py"
    inputs, values, first, second = GOLDEN[name]
    xs = [ag.parameter(x) for x in inputs]

    def outputs():
        ys = ROWS[name].f(*xs)
        return ys if isinstance(ys, list) else [ys]

    ys = outputs()
    us = [ag.parameter(wave(y.shape, k)) for k, y in enumerate(ys)]
    close("value", ys, values)
    close("first derivative", ag.grad(ys, xs, us), first)
    gs = ag.grad(outputs(), xs, us, create_graph=True)
    close("recorded first derivative", gs, first)
    live = [(g, wave(g.shape, 10 + k)) for k, g in enumerate(gs) if g.requires_grad]
    hs = ag.grad([g for g, _ in live], xs + us, [v for _, v in live], allow_unused=True)
    close("second derivative", [ag.Tensor(np.zeros(x.shape)) if h is None else h for h, x in zip(hs, xs + us)], second)


def close(what, mine, golden):
    assert len(mine) == len(golden)
    for k, (a, b) in enumerate(zip(mine, golden)):
        assert a.shape == b.shape and a.dtype == b.dtype == np.float64
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-9, atol=1e-10 * max(1.0, abs(b).max(initial=0.0)),
                                   err_msg=f"{what} {k}")


def test_every_op_of_the_table_has_golden_numbers():
    missing = {row.name for row in CASES} - {ROWS[name].name for name in GOLDEN if name in ROWS} - WITHOUT
    assert not missing, "add their counterparts to tests/make_golden.py and run it"


def test_the_file_is_small():
    assert PATH.stat().st_size < 600_000
