"""The table of cases: every row passes to first and second order, every public op has a row, the table prints."""
import numpy as np
import pytest

import autograd as ag
from autograd import check, gradcheck, gradgradcheck, linalg
from autograd.backend import to_numpy, xp
from autograd.cases import CASES, away, case, distinct, positive

WITHOUT_GRADIENT = {"argmax", "floor", "one_hot", "round", "sign"}  # ops whose values are constants
NO_OPS = {"Tensor", "parameter", "as_tensor", "grad", "no_grad", "record", "joint", "recording", "gradcheck",
          "gradgradcheck", "GradcheckError", "detect_anomaly", "AnomalyError"}


@pytest.mark.parametrize("row", CASES, ids=str)
def test_row(row):
    rng = np.random.default_rng(7)
    assert gradcheck(row.f, row.inputs(rng), rng) < 1e-6
    assert gradgradcheck(row.f, row.inputs(rng), rng) < 1e-6


def public_ops():
    return {name for name, value in vars(ag).items() if callable(value) and not name.startswith("_")} - NO_OPS


@pytest.mark.parametrize("name", sorted(public_ops()))
def test_every_public_op_has_a_row(name):
    rows = [row for row in CASES if row.name == name]
    assert bool(rows) != (name in WITHOUT_GRADIENT), f"{name}: write a row of the table of cases"


def test_rows_name_public_ops_and_are_told_apart():
    assert {row.name for row in CASES} <= public_ops()
    names = [str(row) for row in CASES]
    assert len(set(names)) == len(names)


def test_inputs_are_drawn_by_the_generator_and_are_float64():
    for row in CASES:
        first, again, other = (row.inputs(np.random.default_rng(seed)) for seed in (0, 0, 1))
        assert all(x.dtype == np.float64 for x in first)
        for x, y in zip(first, again):
            np.testing.assert_array_equal(to_numpy(x), to_numpy(y))
        assert [x.shape for x in first] == [x.shape for x in other]


def test_makers():
    rng = np.random.default_rng(0)
    x = distinct(3, 4)(rng)
    assert np.diff(np.sort(x.reshape(-1))).min() > 0.3 and abs(x).min() > 0.05
    assert abs(away(0.0, 1.0, by=0.2)(50)(rng)).min() >= 0.2
    x = positive(50)(rng)
    assert x.min() >= 0.2 and x.max() <= 2.2


def test_run_reports_what_is_wrong():
    wrong = case("sin", lambda x: ag.record(xp.sin(x.data), (x, lambda g: g * 1.1 * ag.cos(x))), (3,))
    bent = case("sin", lambda x: ag.record(xp.sin(x.data), (x, lambda g: g * xp.cos(x.data))), (3,), detail="bent")
    right = case("sin", ag.sin, (3,))
    rows = list(check.run(np.random.default_rng(0), [wrong, bent, right]))
    assert [row for row, *_ in rows] == [wrong, bent, right]
    assert [message[:8] for *_, message in rows] == ["order 1:", "order 2:", ""]
    assert np.isnan(rows[0][1]) and rows[1][1] < 1e-8 and np.isnan(rows[1][2]) and max(rows[2][1:3]) < 1e-8


def test_main_prints_the_table(capsys, monkeypatch):
    assert check.main(seed=1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "float64, cpu, seed 1" in lines[0]
    assert sum(line.endswith("  pass") for line in lines) == len(CASES) * len(check.devices())
    assert lines[-1] == f"{len(CASES)} cases, 0 failed"

    monkeypatch.setattr(linalg, "cofactors", lambda A: 0.999 * ag.swapaxes(ag.inv(A), -1, -2) * ag.expand_dims(
        ag.det(A), (-1, -2)))
    rows = [row for row in CASES if row.name in ("det", "inv")]
    monkeypatch.setattr(check, "CASES", rows)
    monkeypatch.setattr(check.run, "__defaults__", (rows[:2],))
    assert check.main() == 1
    out = capsys.readouterr().out
    assert "2 cases, 1 failed" in out and "FAIL order 1: gradcheck: the gradient of input 0" in out


def test_devices():
    assert check.devices() in (["cpu"], ["cpu", "cuda"])
