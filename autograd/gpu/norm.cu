// Group normalization and its gradient. With one channel per group it is instance norm.
//
//   x^ = (x - mean) rstd,  rstd = 1 / sqrt(mean (x - mean)^2 + eps),  means over a group's S pixels and Cg channels
//   y  = w x^ + b                              h = g w
//   dx = rstd (h - mean h - x^ mean(h x^))     dw = sum over images and pixels of g x^,   db = sum of g
//
// The variance is one of differences, as in autograd/norm.py: mean x^2 - mean^2 would cancel. That is a second pass
// over x, but the group, tens of kilobytes, is in the cache by then: memory is read once, where array operations read
// it seven times. A block takes one group of one image; a run of Cg numbers is contiguous (channels-last).
//
// dw and db are sums over everything else: channel_sums makes them per image, (N, C), 32 channels side by side; the sum
// over N is left to the array library. Without x it sums g alone, for the biases of convolutions. All sums are in a
// fixed order.
//
// Shapes: x, y, g, dx (N, S, C); mean, rstd (N, G); w, b (C). Launch: group_norm, group_norm_gradient: grid (N, G),
// whole warps; channel_sums: grid (N, C / 32), block (32, 8). Macros: REAL. Twin: autograd/norm.py.
// Read before this: reduce.cuh.
#include "reduce.cuh"

typedef REAL T;

extern "C" __global__ void group_norm(const T* x, // (N, S, C)
                                      const T* w, // (C) or none
                                      const T* b, // (C) or none
                                      T* y, // (N, S, C)
                                      T* mean, // (N, G)
                                      T* rstd, // (N, G)
                                      int N, int S, int C, int G, T eps) {
  __shared__ T shared[32];
  const int n = blockIdx.x, group = blockIdx.y, Cg = C / G, size = S * Cg;
  const int corner = n * S * C + group * Cg;  // number i of the group is at corner + i / Cg * C + i % Cg
  T sum = 0;
  for (int i = threadIdx.x; i < size; i += blockDim.x) sum += x[corner + i / Cg * C + i % Cg];
  const T m = block_sum(sum, shared) / size;
  sum = 0;
  for (int i = threadIdx.x; i < size; i += blockDim.x) {
    const T d = x[corner + i / Cg * C + i % Cg] - m;
    sum += d * d;
  }
  const T r = T(1) / sqrt(block_sum(sum, shared) / size + eps);
  for (int i = threadIdx.x; i < size; i += blockDim.x) {
    const int at = corner + i / Cg * C + i % Cg, c = group * Cg + i % Cg;
    y[at] = (x[at] - m) * r * (w ? w[c] : T(1)) + (b ? b[c] : T(0));
  }
  if (threadIdx.x == 0) mean[n * G + group] = m, rstd[n * G + group] = r;
}

extern "C" __global__ void group_norm_gradient(const T* x, // (N, S, C)
                                               const T* w, // (C) or none
                                               const T* g, // (N, S, C)
                                               const T* mean, // (N, G)
                                               const T* rstd, // (N, G)
                                               T* dx, // (N, S, C)
                                               int N, int S, int C, int G) {
  __shared__ T shared[32];
  const int n = blockIdx.x, group = blockIdx.y, Cg = C / G, size = S * Cg;
  const int corner = n * S * C + group * Cg;
  const T m = mean[n * G + group], r = rstd[n * G + group];
  T sum_h = 0, sum_hx = 0;
  for (int i = threadIdx.x; i < size; i += blockDim.x) {
    const int at = corner + i / Cg * C + i % Cg;
    const T h = g[at] * (w ? w[group * Cg + i % Cg] : T(1));
    sum_h += h, sum_hx += h * (x[at] - m) * r;
  }
  const T mean_h = block_sum(sum_h, shared) / size, mean_hx = block_sum(sum_hx, shared) / size;
  for (int i = threadIdx.x; i < size; i += blockDim.x) {
    const int at = corner + i / Cg * C + i % Cg;
    const T h = g[at] * (w ? w[group * Cg + i % Cg] : T(1));
    dx[at] = r * (h - mean_h - (x[at] - m) * r * mean_hx);
  }
}

extern "C" __global__ void channel_sums(const T* x, // (N, S, C) or none
                                        const T* g, // (N, S, C)
                                        const T* mean, // (N, G) or none
                                        const T* rstd, // (N, G) or none
                                        T* sums_gx, // (N, C) or none
                                        T* sums_g, // (N, C)
                                        int N, int S, int C, int G) {
  __shared__ T shared[2][8][32];
  const int n = blockIdx.x, c = blockIdx.y * 32 + threadIdx.x;
  T sum_gx = 0, sum_g = 0;
  if (c < C) {
    const int group = c / (C / G);
    const T m = x ? mean[n * G + group] : T(0), r = x ? rstd[n * G + group] : T(0);
    for (int s = threadIdx.y; s < S; s += 8) {
      const int at = (n * S + s) * C + c;
      sum_g += g[at];
      if (x) sum_gx += g[at] * (x[at] - m) * r;
    }
  }
  shared[0][threadIdx.y][threadIdx.x] = sum_gx, shared[1][threadIdx.y][threadIdx.x] = sum_g;
  __syncthreads();
  if (threadIdx.y == 0 && c < C) {
    for (int t = 1; t < 8; ++t) sum_gx += shared[0][t][threadIdx.x], sum_g += shared[1][t][threadIdx.x];
    sums_g[n * C + c] = sum_g;
    if (x) sums_gx[n * C + c] = sum_gx;
  }
}
