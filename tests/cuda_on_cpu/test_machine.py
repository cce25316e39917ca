"""CUDA on the CPU means what it means on a GPU, and notices what a GPU would hide: each mistake is made on purpose."""
import numpy as np
import pytest

from autograd import gpu
from autograd.gpu.launch import Kernels

pytestmark = pytest.mark.usefixtures("on_cpu")

REVERSE = """
typedef REAL T;
extern "C" __global__ void reverse(const T* x, // (n)
                                   T* y, // (n)
                                   int n) {
  __shared__ T s[64];
  const int i = threadIdx.x;
  if (i < n) s[i] = x[i];
  __syncthreads();
  if (i < n) y[i] = s[n - 1 - i];
}
"""


def reverse(source, n=50, room=None):
    x = np.arange(n, dtype=np.float32)
    y = np.zeros(n, np.float32)
    Kernels(source, np.float32, {}).launch("reverse", (1,), (64,), x=x, y=y, n=n)
    return x, y


def test_a_block_shares_memory():
    x, y = reverse(REVERSE)
    np.testing.assert_array_equal(y, x[::-1])


def test_a_removed_barrier_is_noticed():
    assert "__syncthreads();" in REVERSE
    _, y = reverse(REVERSE.replace("__syncthreads();", ""))
    assert np.isnan(y).any()


@pytest.mark.parametrize("index", ["i + 1", "i - 1", "i + 1000000", "n - 1 - i + (i == 0) * 3"])
def test_a_write_outside_is_noticed(index):
    with pytest.raises(RuntimeError, match="reverse: (access|write) outside an array"):
        reverse(REVERSE.replace("y[i] =", f"y[{index}] ="))


def test_a_read_outside_is_noticed():
    with pytest.raises(RuntimeError, match="reverse: access outside an array"):
        reverse(REVERSE.replace("= x[i]", "= x[i + 2]"), n=48)
    _, y = reverse(REVERSE.replace("= x[i]", "= x[i + 1]"), n=50)  # into the few bytes that fill a vector
    assert np.isnan(y).any()


def test_a_divergent_barrier_is_noticed():
    with pytest.raises(RuntimeError, match="divergent __syncthreads: 50 of 64 threads wait at line 9"):
        reverse(REVERSE.replace("__syncthreads();", "if (i < n) __syncthreads();"))
    with pytest.raises(RuntimeError, match="divergent __syncthreads: threads wait at lines"):
        reverse(REVERSE.replace("__syncthreads();", "if (i < n) __syncthreads();\n else __syncthreads();"))
    with pytest.raises(RuntimeError, match="divergent __syncthreads"):
        reverse(REVERSE.replace("if (i < n) s[i] = x[i]", "if (i >= n) return; s[i] = x[i]"))


SUM = """
typedef REAL T;
extern "C" __global__ void warp_sums(const T* x, // (n)
                                     T* y, // (n)
                                     int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  T total = i < n ? x[i] : T(0);
  for (int lanes = 16; lanes; lanes /= 2) total += __shfl_xor_sync(0xFFFFFFFF, total, lanes);
  if (i < n) y[i] = total;
}
"""


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lanes_exchange_numbers(dtype):
    x = np.random.default_rng(0).integers(0, 100, 150).astype(dtype)
    y = np.zeros_like(x)
    Kernels(SUM, dtype, {}).launch("warp_sums", (3,), (64,), x=x, y=y, n=150)
    padded = np.concatenate([x, np.zeros(10, dtype)]).reshape(-1, 32)
    np.testing.assert_array_equal(y, np.repeat(padded.sum(axis=1), 32)[:150])


def test_a_divergent_shuffle_is_noticed():
    source = SUM.replace("for (", "if (i % 32 < 16) for (")
    with pytest.raises(RuntimeError, match="divergent warp operation: 16 of 32"):
        Kernels(source, np.float32, {}).launch(
            "warp_sums", (1,), (64,), x=np.zeros(64, np.float32), y=np.zeros(64, np.float32), n=64)


COPY = """
#include "ptx.cuh"
typedef REAL T;
extern "C" __global__ void through_shared(const T* x, // (n)
                                          T* y, // (n)
                                          int n) {
  __shared__ __align__(16) T s[256];
  const int i = 4 * threadIdx.x;
  copy_async<16>(&s[i], &x[i < n ? i : 0], i < n);
  commit_copies();
  wait_for_copies<0>();
  __syncthreads();
  for (int j = 0; j < 4; ++j) if (i + j < n) y[i + j] = s[(i + j + 4) % 256];
}
"""


def test_asynchronous_copies():
    x = np.arange(1, 101, dtype=np.float32)
    y = np.zeros_like(x)
    Kernels(COPY, np.float32, {}).launch("through_shared", (1,), (64,), x=x, y=y, n=100)
    np.testing.assert_array_equal(y, [*x[4:], 0, 0, 0, 0])
    Kernels(COPY.replace("wait_for_copies<0>();", ""), np.float32, {}).launch(
        "through_shared", (1,), (64,), x=x, y=y, n=100)
    assert np.isnan(y).all()


TENSOR_CORE = """
#include "ptx.cuh"
typedef REAL T;
extern "C" __global__ void product(const T* a, // (16, 8)
                                   const T* b, // (8, 8)
                                   T* c, // (16, 8)
                                   int n) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  float sum[4] = {0, 0, 0, 0};
  const float a_own[4] = {to_tf32(a[g * 8 + t]), to_tf32(a[(g + 8) * 8 + t]),
                          to_tf32(a[g * 8 + t + 4]), to_tf32(a[(g + 8) * 8 + t + 4])};
  const float b_own[2] = {to_tf32(b[t * 8 + g]), to_tf32(b[(t + 4) * 8 + g])};
  multiply_tf32(sum, a_own, b_own);
  for (int i = 0; i < 4; ++i) c[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sum[i];
}
"""


def test_a_tensor_core_multiplies():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((16, 8), np.float32), rng.standard_normal((8, 8), np.float32)
    c = np.zeros((16, 8), np.float32)
    Kernels(TENSOR_CORE, np.float32, {}).launch("product", (1,), (32,), a=a, b=b, c=c, n=8)
    error = np.abs(c - a @ b) / (np.abs(a) @ np.abs(b))
    assert 1e-5 < error.max() < 2**-10  # each factor is rounded by up to 2^-11


def test_what_a_launch_refuses(monkeypatch):
    module = Kernels(REVERSE, np.float32, {})
    x, y = np.zeros(50, np.float32), np.zeros(50, np.float32)
    launch = lambda **changed: module.launch("reverse", (1,), (64,), **{**dict(x=x, y=y, n=50), **changed})
    launch()
    for error, text, changed in [
        (TypeError, "reverse: x has dtype float64, expected float32", dict(x=np.zeros(50))),
        (ValueError, "reverse: y is not in C order", dict(y=np.zeros(100, np.float32)[::2])),
        (ValueError, "reverse: x has 49 elements, expected 50, \\(n\\)", dict(x=x[1:])),
        (ValueError, "reverse: n is 2147483648, more than an int32 holds", dict(n=2**31)),
        (TypeError, "reverse: y is NoneType, expected an array", dict(y=None)),
    ]:
        with pytest.raises(error, match=text):
            launch(**changed)
    with pytest.raises(TypeError, match="reverse: argument n is missing"):
        module.launch("reverse", (1,), (64,), x=x, y=y)
    with pytest.raises(ValueError, match="more than a GPU takes"):
        module.launch("reverse", (1, 70000), (64,), x=x, y=y, n=50)
    with pytest.raises(ValueError, match="array x has no shape in its signature"):
        Kernels(REVERSE.replace("// (n)", "", 1), np.float32, {})
    with pytest.raises(TypeError, match="written for float32 and float64, not float16"):
        Kernels(REVERSE, np.float16, {})
    monkeypatch.setattr(gpu.launch, "MOST_ELEMENTS", 49)
    with pytest.raises(ValueError, match="reverse: x has 50 elements, more than an int32 counts"):
        Kernels(REVERSE.replace("// (n)", "// (50)"), np.float32, {}).launch("reverse", (1,), (64,), x=x, y=y, n=49)
