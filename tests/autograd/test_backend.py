"""The switch between NumPy and CuPy, and randomness."""
import contextlib
import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.special

import minigen
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
    cupy = types.SimpleNamespace(ndarray=list, only_in_cupy=1, ufunc=())
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


def test_ufuncs_keep_the_memory_order():
    class InCOrder:
        """As CuPy's are."""

        nin, __name__ = 2, "add"

        def __call__(self, a, b):
            return xp.ascontiguousarray(a + b)

    add, draw = backend.KeepsOrder(InCOrder()), lambda *shape: backend.normal(backend.rng(0), shape)
    x = draw(2, 5, 6, 4).transpose(0, 3, 1, 2)
    for y in (x, draw(2, 4, 5, 6), draw(4, 1, 1), draw(1, 4, 1, 6), draw(), 2.0):
        for z, first in ((x, True), (x[:, :, ::-1], True), (draw(3, 2, 4, 5, 6), False)):
            np.testing.assert_array_equal(backend.to_numpy(add(z, y)), backend.to_numpy(z + y))
            np.testing.assert_array_equal(backend.to_numpy(add(y, z)), backend.to_numpy(y + z))
            assert not first or add(z, y).transpose(0, 2, 3, 1).flags.c_contiguous
    assert add.__name__ == "add"


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
@pytest.mark.parametrize("device, message", [("cuda", "device 'cuda' needs CuPy and an NVIDIA GPU"),
                                             ("gpu", "use: device is 'gpu', expected 'cpu' or 'cuda'")])
def test_the_environment_is_answered_in_one_line(device, message):
    """By an exception, which leaves Python to the program; by the command line, which is nobody's library, at once."""
    environment = {**os.environ, "MINIGEN_DEVICE": device}
    code = "try:\n import autograd\nexcept RuntimeError as error:\n print(error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.startswith(f"MINIGEN_DEVICE={device}: {message}") and done.stdout.count("\n") == 1
    done = subprocess.run([sys.executable, "-m", "minigen", "list"], capture_output=True, text=True, env=environment)
    assert done.returncode == 2 and done.stderr.startswith(f"minigen: MINIGEN_DEVICE={device}: {message}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("text", [None, "", "from .tracer import primitive"])
def test_a_foreign_autograd_is_noticed(tmp_path, text):
    """One without an __init__ file, too. Found on the path before ours, as a folder of the user's would be."""
    (tmp_path / "autograd").mkdir()
    if text is not None:
        (tmp_path / "autograd" / "__init__.py").write_text(text)
    (tmp_path / "minigen").symlink_to(Path(minigen.__file__).parent)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-S", "-c", "import minigen"], capture_output=True, text=True, cwd=tmp_path,
                          env=environment)
    assert "ImportError: minigen comes with a package named 'autograd' of its own" in done.stderr


@pytest.mark.skipif(HAS_CUPY, reason="CuPy is installed")
def test_the_reason_is_given():
    with pytest.raises(RuntimeError, match="CuPy cannot be imported"):
        backend.use("cuda")


def stand_in(count, capability):
    """A CuPy that finds so many GPUs."""
    runtime = types.SimpleNamespace(getDeviceCount=lambda: count, CUDARuntimeError=OSError)
    device = types.SimpleNamespace(compute_capability=capability)
    cuda = types.SimpleNamespace(runtime=runtime, Device=lambda: device)
    return types.SimpleNamespace(ndarray=list, ufunc=(), cuda=cuda)


@pytest.mark.parametrize("count, capability, reason", [
    (0, None, "CuPy finds no GPU"), (1, "75", "compute capability 8.0 .* this GPU has 7.5"), (1, "80", None),
    (2, "120", None)])
def test_what_a_gpu_must_have(count, capability, reason, monkeypatch):
    before = backend.device()
    monkeypatch.setattr(backend.importlib, "import_module", lambda name: stand_in(count, capability))
    try:
        if reason is None:
            backend.use("cuda")
            assert backend.device() == "cuda"
        else:
            with pytest.raises(RuntimeError, match=f"device 'cuda' needs .* {reason}"):
                backend.use("cuda")
    finally:
        monkeypatch.undo()
        backend.use(before)


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


class FakeCuda:
    """What Captured needs of CuPy; notes what is asked of it."""

    def __init__(self, log):
        self.log, self.ndarray, self.ufunc, self.cuda = log, list, (), self
        self.get_current_stream = lambda: types.SimpleNamespace(record=lambda: "outside", wait_event=log.append)
        self.MemoryPool = lambda: types.SimpleNamespace(malloc="pool")
        self.using_allocator = lambda malloc: contextlib.nullcontext()
        graph = types.SimpleNamespace(launch=lambda stream: log.append("launch"))
        self.stream = types.SimpleNamespace(
            wait_event=log.append, record=lambda: "inside",
            begin_capture=lambda: log.append("begin"), end_capture=lambda: (log.append("end"), graph)[1])
        self.Stream = lambda non_blocking: _Entered(self.stream)


class _Entered:
    def __init__(self, stream):
        self.__dict__.update(vars(stream))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


@pytest.fixture
def fake_cuda(monkeypatch):
    """The log of what is done with a stand-in for CuPy."""
    log, before = [], backend.device()
    monkeypatch.setattr(backend, "_cupy", lambda: FakeCuda(log))
    monkeypatch.setattr(backend.importlib, "import_module", lambda name: types.SimpleNamespace())
    backend.use("cuda")
    yield log
    monkeypatch.undo()
    backend.use(before)


def test_captured_runs_twice_then_captures_then_replays(fake_cuda):
    captured = backend.Captured(lambda: fake_cuda.append("work"))
    for _ in range(5):
        captured()
        fake_cuda.append(".")
    calls = " ".join(fake_cuda).replace("outside", "").replace("inside", "").split(".")
    assert [c.split() for c in calls[:-1]] == [["work"], ["work"], ["begin", "work", "end", "launch"], ["launch"],
                                               ["launch"]]
    assert fake_cuda[0] == "outside" and fake_cuda[2] == "inside"  # each stream waits for the other


def test_a_failed_capture_ends(fake_cuda):
    def work():
        if "begin" in fake_cuda:
            raise RuntimeError("a copy to the host")

    captured = backend.Captured(work)
    captured(), captured()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="a copy to the host"):
            captured()
    assert fake_cuda.count("begin") == fake_cuda.count("end") == 2 and "launch" not in fake_cuda


def test_on_a_cpu_captured_is_the_work_itself():
    if backend.device() != "cpu":
        pytest.skip("MINIGEN_DEVICE=cuda")
    counts = []
    captured = backend.Captured(lambda: counts.append(1))
    for _ in range(4):
        captured()
    assert len(counts) == 4


def test_by_device(fake_cuda, monkeypatch):
    f = backend.by_device(lambda x, y=1: ("cpu", x, y), lambda x, y=1: ("cuda", x, y))
    assert f(3, y=4) == ("cuda", 3, 4)
    monkeypatch.setattr(backend, "device", lambda: "cpu")
    assert f(3) == ("cpu", 3, 1)


def test_tf32_is_asked_for(fake_cuda, monkeypatch):
    monkeypatch.delenv("MINIGEN_TF32", raising=False)
    for arguments, expected in [({}, False), ({"tf32": True}, True)]:
        backend.use("cuda", **arguments)
        assert backend.tf32() is expected
    monkeypatch.setenv("MINIGEN_TF32", "1")
    backend.use("cuda")
    assert backend.tf32()
    backend.use("cuda", tf32=False)
    assert not backend.tf32()


def test_constants_are_kept():
    a = np.arange(6, dtype=np.int32).reshape(2, 3)
    first = backend.constant(a)
    np.testing.assert_array_equal(backend.to_numpy(first), a)
    assert backend.constant(a.copy()) is first and first.dtype == np.int32
    assert backend.constant(a.T) is not first and backend.constant(a.astype(np.int64)).dtype == np.int64


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
