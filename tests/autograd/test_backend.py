"""The switch between NumPy and CuPy, and randomness."""
import importlib.util
import os
import subprocess
import sys
import types

import numpy as np
import pytest
import scipy.special

from autograd import backend
from autograd.backend import special, xp
from autograd.check import devices

HAS_CUPY = importlib.util.find_spec("cupy") is not None


def test_xp_is_numpy():
    if backend.device() != "cpu":
        pytest.skip("MINIGEN_DEVICE=cuda")
    assert xp.ndarray is np.ndarray and xp.exp is np.exp and xp.linalg.inv is np.linalg.inv
    assert special.erf is scipy.special.erf
    assert type(xp.zeros(3)) is np.ndarray


def test_whoever_holds_xp_follows_the_switch(monkeypatch):
    """With a stand-in for CuPy: the names of xp and special change in place, and change back without a trace."""
    cupy = types.SimpleNamespace(ndarray=list, only_in_cupy=1)
    monkeypatch.setattr(backend, "_cupy", lambda: cupy)
    monkeypatch.setattr(backend.importlib, "import_module", lambda name: types.SimpleNamespace(erf=name))
    before = backend.device()
    try:
        backend.use("cuda")
        assert backend.device() == "cuda" and xp.only_in_cupy == 1 and special.erf == "cupyx.scipy.special"
        assert not hasattr(xp, "exp")
        backend.use("cpu")
        assert backend.device() == "cpu" and xp.exp is np.exp and not hasattr(xp, "only_in_cupy")
    finally:
        monkeypatch.undo()
        backend.use(before)


@pytest.mark.skipif("cuda" in devices(), reason="there is a GPU")
def test_cuda_without_a_gpu_says_what_to_do():
    with pytest.raises(RuntimeError) as caught:
        backend.use("cuda")
    message = str(caught.value)
    for part in ("device 'cuda' needs CuPy and an NVIDIA GPU", "CuPy", 'pip install "minigen[cuda]"', "--device cpu"):
        assert part in message
    assert "\n" not in message
    assert backend.device() == "cpu" and xp.ndarray is np.ndarray  # as before


@pytest.mark.skipif("cuda" in devices(), reason="there is a GPU")
def test_cuda_by_the_environment_says_the_same():
    done = subprocess.run([sys.executable, "-c", "import autograd"], capture_output=True, text=True,
                          env={**os.environ, "MINIGEN_DEVICE": "cuda"})
    assert done.returncode != 0 and "device 'cuda' needs CuPy and an NVIDIA GPU" in done.stderr


@pytest.mark.skipif(HAS_CUPY, reason="CuPy is installed")
def test_the_reason_is_given():
    with pytest.raises(RuntimeError, match="CuPy cannot be imported"):
        backend.use("cuda")


@pytest.mark.parametrize("device", ["gpu", "cuda:0", "CPU", ""])
def test_unknown_devices(device):
    with pytest.raises(ValueError, match=f"use: device is '{device}', expected 'cpu' or 'cuda'"):
        backend.use(device)


def test_conversions():
    x = np.ones(3, np.float32)
    if backend.device() == "cpu":
        assert backend.asarray(x) is x and backend.to_numpy(x) is x
    assert backend.asarray([1, 2], np.float64).dtype == np.float64
    assert type(backend.to_numpy(backend.asarray([1.0]))) is np.ndarray


@pytest.mark.parametrize("draw", [backend.normal, backend.uniform])
def test_draws_are_reproducible(draw):
    a, b, c = (backend.to_numpy(draw(backend.rng(seed), (3, 4))) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert (a != c).all()
    assert a.dtype == np.float32 and draw(backend.rng(0), (), np.float64).dtype == np.float64
    rng = backend.rng(0)
    first, second = draw(rng, 5), draw(rng, 5)
    assert (first != second).all()


def test_draws_have_the_right_distribution():
    rng = backend.rng(0)
    x, u = (backend.to_numpy(draw(rng, 100_000, np.float64)) for draw in (backend.normal, backend.uniform))
    assert abs(x.mean()) < 0.02 and abs(x.std() - 1.0) < 0.02
    assert u.min() >= 0.0 and u.max() < 1.0 and abs(u.mean() - 0.5) < 0.01


@pytest.mark.gpu
def test_the_table_of_cases_on_the_gpu():
    from autograd import check

    before = backend.device()
    backend.use("cuda")
    try:
        failed = [f"{case}: {message}" for case, *_, message in check.run(backend.rng(0)) if message]
    finally:
        backend.use(before)
    assert not failed
