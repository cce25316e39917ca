"""Work split over threads gives what it gives undivided, and behaves like a call."""
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import threadpoolctl

from autograd import Tensor, conv2d, conv_transpose2d, grad, leaky_relu, parameter, relu, silu
from autograd.cpu import convolution, threads
from autograd.cpu.threads import map_chunks, parallel_for, shared_matmul
from autograd.geometry import Geometry
from autograd.norm import batch_norm, group_norm, instance_norm, layer_norm

pytestmark = pytest.mark.cpu


@pytest.fixture
def three_threads(monkeypatch):
    """Three threads and work of any size, on a machine of however many cores."""
    pool = threads.ThreadPoolExecutor(2)
    monkeypatch.setattr(threads, "threads", lambda: 3)
    monkeypatch.setattr(threads, "_pool", lambda: pool)
    for least in ("WORTHWHILE", "LITTLE", "ALONE", "ALONE_BY_VECTOR"):
        monkeypatch.setattr(threads, least, 0)
    yield
    pool.shutdown()


@pytest.mark.parametrize("N, sizes", [(10, [3, 3, 4]), (2, [1, 1]), (1, [1]), (0, [0])])
def test_parts_cover_the_batch_in_order(three_threads, N, sizes):
    parts = parallel_for(lambda part: list(range(N))[part], N, 1)
    assert sum(parts, []) == list(range(N)) and [len(part) for part in parts] == sizes


def test_parts_run_at_the_same_time(three_threads):
    meeting = threading.Barrier(3, timeout=20)  # passed only if all three wait at it together
    parallel_for(lambda part: meeting.wait(), 3, 1)


def test_little_work_stays_whole(monkeypatch):
    monkeypatch.setattr(threads, "threads", lambda: 3)
    assert parallel_for(lambda part: part, 100, threads.WORTHWHILE - 1) == [slice(0, 100)]


def test_a_part_is_not_divided_again(three_threads):
    """Two that wait for each other would wait for ever."""
    parts = parallel_for(lambda part: parallel_for(lambda inner: inner, 6, 1), 3, 1)
    assert parts == [[slice(0, 6)]] * 3
    assert len(parallel_for(lambda part: part, 6, 1)) == 3  # what comes after is


@pytest.mark.parametrize("failing", [0, 2])
def test_an_error_in_any_part_reaches_the_caller(three_threads, failing):
    def work(part):
        if part.start == failing:
            raise ZeroDivisionError("here")

    with pytest.raises(ZeroDivisionError, match="here"):
        parallel_for(work, 3, 1)


def test_parts_see_the_callers_error_settings(three_threads):
    with np.errstate(over="raise"):
        with pytest.raises(FloatingPointError):
            parallel_for(lambda part: np.exp(np.float32([1000.0] * (part.start == 2))), 3, 1)
    with np.errstate(over="ignore"):
        parallel_for(lambda part: np.exp(np.float32([1000.0])), 3, 1)


def blas_threads():
    """The numbers of threads of the BLAS libraries that are loaded."""
    info = threadpoolctl.threadpool_info()
    return [library["num_threads"] for library in info if library["user_api"] == "blas"]


@pytest.fixture
def blas_of_two():
    """BLAS libraries that would use two threads each."""
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        yield


def test_blas_has_one_thread_within_our_products_and_its_own_number_after(blas_of_two, monkeypatch):
    if not blas_threads():
        pytest.skip("threadpoolctl knows no BLAS here")
    assert set(blas_threads()) == {2}
    seen = []
    monkeypatch.setattr(threads.xp, "matmul", lambda a, b: seen.append(threads._blas()[0]()))
    for a, b in [((65, 64), (64, 64)), ((1, 128), (128, 128)), ((128, 128), (128, 1))]:  # what BLAS would share
        shared_matmul(np.ones(a), np.ones(b))
    monkeypatch.undo()
    parallel_for(lambda part: seen.append(threads._blas()[0]()), 5, threads.LITTLE)
    assert seen == [1] * 4
    with pytest.raises(ZeroDivisionError):
        parallel_for(lambda part: 1 / 0, 5, threads.LITTLE)
    relu(Tensor(np.ones((64, 1 << 16), np.float32)))
    conv2d(np.ones((4, 16, 32, 32)), np.ones((16, 16, 3, 3)))
    assert set(blas_threads()) == {2}


def test_importing_limits_nobody():
    if not blas_threads():
        pytest.skip("threadpoolctl knows no BLAS here")
    code = ("import numpy, threadpoolctl as t\nt.threadpool_limits(2)\nimport autograd, minigen.nn\n"
            "x = autograd.relu(numpy.ones(3)) @ numpy.ones((3, 2))\n"
            "print({library['num_threads'] for library in t.threadpool_info()})")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{2}"


LARGE_RELU = """
import os, sys, numpy as np, autograd
from autograd.cpu import threads
threads.threads = lambda: 2  # on a machine of one core too
x = np.random.default_rng(0).standard_normal((64, 1 << 16)).astype("f")
expected = np.maximum(x, 0)
work = lambda: np.array_equal(autograd.relu(x).numpy(), expected)
assert work()
child = os.fork()
if child == 0:
    os._exit(0 if work() else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_threads_of_its_own():
    """Those of the parent's pool do not live there: whoever waited for one would wait for ever."""
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", LARGE_RELU], start_new_session=True) as process:
        try:
            assert process.wait(timeout=60) == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise


@pytest.mark.parametrize("a, b", [
    ((7, 5), (5, 3)), ((1, 5), (5, 3)), ((7, 5, 2), (2, 3)), ((7, 5, 2), (7, 2, 3)), ((2, 7, 5, 2), (2, 7, 2, 3)),
    ((1, 5, 2), (7, 2, 3)), ((7, 5, 2), (1, 2, 3)), ((5, 2), (7, 2, 3)), ((4, 1, 5, 2), (3, 2, 6)), ((0, 5), (5, 3)),
    ((7, 0), (0, 3)), ((7, 5), (5, 0)),
    ((5,), (5, 3))])
def test_a_product_in_parts_is_the_product(three_threads, a, b):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(a), rng.standard_normal(b).astype(np.float32)
    np.testing.assert_allclose(shared_matmul(a, b), a @ b, rtol=1e-12, atol=1e-12)
    assert shared_matmul(a, b).dtype == (a @ b).dtype


def test_a_product_that_is_none_is_refused(three_threads):
    for a, b in [((7, 5), (4, 3)), ((7, 5, 2), (7, 3, 2)), ((7, 5, 2), (6, 2, 3))]:
        with pytest.raises(ValueError):
            shared_matmul(np.zeros(a), np.zeros(b))


@pytest.mark.parametrize("shape", [(7, 3, 2, 5), (1, 40), (5,), ()])
def test_a_chain_of_ufuncs_in_parts_is_the_chain(three_threads, monkeypatch, shape):
    monkeypatch.setattr(threads, "PART", 8)
    x, z = np.random.default_rng(0).standard_normal((2, *shape))
    x = x.transpose()  # any layout of memory
    np.testing.assert_array_equal(map_chunks(lambda x, z: np.exp(x) * z, x, z.transpose()), np.exp(x) * z.transpose())


@pytest.mark.parametrize("G, C, O, stride, taps", [
    (1, 5, 7, (1, 1), 3), (2, 16, 4, (2, 2), 3), (1, 3, 40, (3, 2), 3),
    (1, 20, 33, (1, 1), 3), (1, 20, 33, (2, 2), 4)])  # by tiles, and in blocks of 2 x 2 pixels
def test_convolutions_agree_with_those_of_one_thread(request, G, C, O, stride, taps):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((7, C, 9, 8)), rng.standard_normal((O, C // G, taps, taps))
    output = tuple((side + 2 - taps) // s + 1 for side, s in zip((9, 8), stride))
    geometry = Geometry((9, 8), (taps, taps), output, stride, (1, 1), (1, 1))
    y = rng.standard_normal((7, O, *output))

    def all_three():
        return (convolution.convolve(x, w, None, geometry, G), convolution.conv_transpose(y, w, None, geometry, G),
                convolution.filter_gradient(x, y, geometry, G))

    alone = all_three()
    request.getfixturevalue("three_threads")
    for threaded, whole in zip(all_three(), alone):
        np.testing.assert_allclose(threaded, whole, rtol=1e-12, atol=1e-12)


def test_a_network_on_three_threads_computes_what_it_does_on_one(request):
    """All ops that divide their work, some of them within each other's."""
    rng = np.random.default_rng(0)
    x, *weights = (parameter(rng.standard_normal(shape)) for shape in (
        (7, 16, 8, 8), (24, 16, 3, 3), (24, 24, 4, 4), (24,), (24,), (24 * 16, 5)))
    cotangent = rng.standard_normal((7, 5))

    def gradients():
        w1, w2, scale, shift, matrix = weights
        h = silu(group_norm(conv2d(x, w1, shift, padding=1), 4, scale, shift))
        h = leaky_relu(batch_norm(conv2d(h, w2, stride=2, padding=1), None, None, scale, shift, training=True), 0.2)
        h = instance_norm(relu(conv_transpose2d(h, w2, stride=2, padding=1)))
        y = layer_norm(conv2d(h, w2, stride=2, padding=1).reshape(7, -1) @ matrix, 5)
        return [y.data, *(g.data for g in grad(y, [x, *weights], Tensor(cotangent)))]

    alone = gradients()
    request.getfixturevalue("three_threads")
    for threaded, whole in zip(gradients(), alone):
        np.testing.assert_allclose(threaded, whole, rtol=1e-9, atol=1e-9)
