// Softmax over the last axis, and its gradient.
//
//   y = e^(x - max x) / sum e^(x - max x)          dx = y (g - sum g y)
//
// A warp per row, so that maximum and sums need no shared memory: 32 lanes take every 32nd number each, and exchange
// their results (reduce.cuh). Composed of array operations the forward is four passes over memory; here the second and
// third read what the first has brought to the cache.
//
// Shapes: x, y, g, dx (rows, n). Launch: block (32, 8), grid rows / 8. Macros: REAL. Twin: autograd/reduce.py.
// Read before this: reduce.cuh.
#include "reduce.cuh"

typedef REAL T;

extern "C" __global__ void softmax(const T* x, // (rows, n)
                                   T* y, // (rows, n)
                                   int rows, int n) {
  const int row = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
  if (row >= rows) return;  // a whole warp
  x += row * n, y += row * n;
  T top = x[0], sum = 0;
  for (int i = lane; i < n; i += 32) top = top < x[i] ? x[i] : top;
  top = warp_max(top);
  for (int i = lane; i < n; i += 32) sum += y[i] = exp(x[i] - top);
  sum = warp_sum(sum);
  for (int i = lane; i < n; i += 32) y[i] /= sum;
}

extern "C" __global__ void softmax_gradient(const T* y, // (rows, n)
                                            const T* g, // (rows, n)
                                            T* dx, // (rows, n)
                                            int rows, int n) {
  const int row = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
  if (row >= rows) return;
  y += row * n, g += row * n, dx += row * n;
  T sum = 0;
  for (int i = lane; i < n; i += 32) sum += g[i] * y[i];
  sum = warp_sum(sum);
  for (int i = lane; i < n; i += 32) dx[i] = y[i] * (g[i] - sum);
}
