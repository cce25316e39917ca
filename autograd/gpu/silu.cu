// SiLU, x sigmoid(x), and its gradient: one pass over memory each, where array operations make five and nine.
//
//   y = x s,  s = 1 / (1 + e^-x)                   dx = g s (1 + x (1 - s))
//
// Nothing is kept for the gradient: s costs less than the memory it would lie in.
//
// Shapes: all (size), in any order that is the same for all. Launch: a thread per number. Macros: REAL.
// Twin: autograd/ops.py. Read before this: launch.py.
typedef REAL T;

extern "C" __global__ void silu(const T* x, // (size)
                                T* y, // (size)
                                int size) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  y[i] = x[i] / (T(1) + exp(-x[i]));
}

extern "C" __global__ void silu_gradient(const T* x, // (size)
                                         const T* g, // (size)
                                         T* dx, // (size)
                                         int size) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  const T s = T(1) / (T(1) + exp(-x[i]));
  dx[i] = g[i] * s * (T(1) + x[i] * (T(1) - s));
}
