// Convolution, its input gradient and its filter gradient.
//
//   forward           y[n,o,p,q] = b[o] + sum over c, r, s of  x[n,c,i,j] w[o,c,r,s]
//   filter gradient   w[o,c,r,s] = sum over n, p, q of         x[n,c,i,j] y[n,o,p,q]
//                     i = p stride + r dilation - padding,   j likewise,   x = 0 outside the image
//
// The input gradient is the first again. It sends y[n,o,p,q] w[o,c,r,s] to x[n,c,i,j]; read the other way, pixel (i, j)
// collects it, and of the pixels i = phase, phase + pitch, ... (pitch = the stride) all collect by the same taps, which
// in reverse are the filter of a convolution of y at stride 1. So it is pitch^2 convolutions of y, each of which fills
// every pitch-th pixel: hence pitch and phase of the target below (Geometry.phases in geometry.py).
//
// As a matrix product (implicit GEMM): a row m per pixel (n, p, q), a column per filter o, and k = (r, s, c),
//
//   y[m, o] = sum over k of  X[m, k] F[o, k]      X[m, k] = x[n, i, j, c], found as needed, never written down
//
// and the filter gradient is w[o, k] = sum over m of y[m, o] X[m, k]. Memory is channels-last, so that numbers which
// follow each other in k do so in memory.
//
// Shapes: x (N, H, W, C), f (O, R, S, Cg), y (N, OH, OW, O), P x Q windows, G = C / Cg groups, O = G Og.
//
// The ladder, each rung a kernel that computes the same. Figures for float32 elsewhere: docs/kernels.md.
//   1  conv_direct     a thread per number of y: the definition. Every number of x and f is fetched R S O / G times.
//   2  conv_shared     TILE x TILE numbers of y per block share what they fetch, in shared memory.
//   3  conv_tile       TM x TN numbers per thread, 16 bytes per access, panels in flight: tile.cuh.
//   4  conv_tile with TENSOR_CORES: matrix instructions in TF32.
//      filter_direct, filter_tile: rungs 1 and 3 (or 4) of the filter gradient.
//      depthwise, filter_depthwise: one filter per channel (Cg = Og = 1), too little arithmetic for tiles.
// Small maps leave most of the GPU idle if a block sums over all k: the sum is split among `splits` blocks, each writes
// its part to a target of its own, and add_splits adds them up, always in the same order.
//
// Launch: 1, depthwise: a thread per number of y. 2: grid (M / TILE, Og / TILE, G), block (TILE, TILE).
//         3, 4: grid (M / BM, Og / BN, G splits), THREADS threads. filter_tile: (Og / BM, R S Cg / BN, G splits).
// Macros: those of tile.cuh; TILE for rung 2. Twin: autograd/cpu/einsum.py. Read before this: tile.cuh.
#include "tile.cuh"

// Where pixel m = (n, p, q) of the windows lies in the target.
struct Target {
  int P, Q, OH, OW, O, pitch_h, pitch_w, phase_h, phase_w;
  __device__ int at(int m) const {
    const int n = m / (P * Q), p = m / Q % P, q = m % Q;
    return ((n * OH + p * pitch_h + phase_h) * OW + q * pitch_w + phase_w) * O;
  }
};

// 1. The definition.

extern "C" __global__ void conv_direct(const T* x, // (N, H, W, C)
                                       const T* f, // (O, R, S, Cg)
                                       const T* b, // (O) or none
                                       T* y, // (N, OH, OW, O)
                                       int N, int H, int W, int C, int P, int Q, int O, int R, int S, int Cg, int Og,
                                       int stride_h, int stride_w, int dilation_h, int dilation_w, int padding_h,
                                       int padding_w, int OH, int OW, int pitch_h, int pitch_w, int phase_h,
                                       int phase_w) {
  const int index = blockIdx.x * blockDim.x + threadIdx.x;  // O is the fastest: neighbours write neighbours
  if (index >= N * P * Q * O) return;
  const int m = index / O, o = index % O, n = m / (P * Q), p = m / Q % P, q = m % Q, g = o / Og;
  T sum = b ? b[o] : T(0);
  for (int r = 0; r < R; ++r) {
    const int i = p * stride_h + r * dilation_h - padding_h;
    if (i < 0 || i >= H) continue;
    for (int s = 0; s < S; ++s) {
      const int j = q * stride_w + s * dilation_w - padding_w;
      if (j < 0 || j >= W) continue;
      for (int c = 0; c < Cg; ++c) sum += x[((n * H + i) * W + j) * C + g * Cg + c] * f[((o * R + r) * S + s) * Cg + c];
    }
  }
  const Target target = {P, Q, OH, OW, O, pitch_h, pitch_w, phase_h, phase_w};
  y[target.at(m) + o] = sum;
}

// 2. A block shares what it fetches.

extern "C" __global__ void conv_shared(const T* x, // (N, H, W, C)
                                       const T* f, // (O, R, S, Cg)
                                       const T* b, // (O) or none
                                       T* y, // (N, OH, OW, O)
                                       int N, int H, int W, int C, int P, int Q, int O, int R, int S, int Cg, int Og,
                                       int stride_h, int stride_w, int dilation_h, int dilation_w, int padding_h,
                                       int padding_w, int OH, int OW, int pitch_h, int pitch_w, int phase_h,
                                       int phase_w) {
  __shared__ T xs[TILE][TILE + 1], fs[TILE][TILE + 1];  // one more, so that a column is not in one bank
  const int tx = threadIdx.x, ty = threadIdx.y, g = blockIdx.z, M = N * P * Q, K = R * S * Cg;
  const int m = blockIdx.x * TILE + ty;       // the pixel that this thread fetches for, and computes
  const int o_fetch = blockIdx.y * TILE + ty; // the filter that it fetches
  const int o = blockIdx.y * TILE + tx;       // and the one that it computes
  const int n = m / (P * Q), p = m / Q % P, q = m % Q;
  T sum = 0;
  for (int first = 0; first < K; first += TILE) {
    const int k = first + tx, r = k / Cg / S, s = k / Cg % S, c = k % Cg;
    const int i = p * stride_h + r * dilation_h - padding_h, j = q * stride_w + s * dilation_w - padding_w;
    const bool inside = m < M && k < K && i >= 0 && i < H && j >= 0 && j < W;
    xs[ty][tx] = inside ? x[((n * H + i) * W + j) * C + g * Cg + c] : T(0);
    fs[ty][tx] = o_fetch < Og && k < K ? f[(g * Og + o_fetch) * K + k] : T(0);
    __syncthreads();
    for (int kk = 0; kk < TILE; ++kk) sum += xs[ty][kk] * fs[tx][kk];
    __syncthreads();
  }
  if (m < M && o < Og) {
    const Target target = {P, Q, OH, OW, O, pitch_h, pitch_w, phase_h, phase_w};
    y[target.at(m) + g * Og + o] = sum + (b ? b[g * Og + o] : T(0));
  }
}

// 3 and 4. The operands for tile.cuh.

struct Geometry {
  int H, W, C, P, Q, R, S, Cg, stride_h, stride_w, dilation_h, dilation_w, padding_h, padding_w;
};

// X as an operand with a row per pixel: rows stay, k = (r, s, c) moves on.
template <int ROWS> struct PixelRows : Panel<ROWS, true> {
  using P = Panel<ROWS, true>;
  const T* base;
  Geometry e;
  int image[P::PIECES], top[P::PIECES], left[P::PIECES];  // of each piece's pixel: its image and window
  int r, s, c;

  __device__ PixelRows(const T* x, const Geometry& e, int first_row, int rows, int first_k) : base(x), e(e) {
#pragma unroll
    for (int i = 0; i < P::PIECES; ++i) {
      const int m = first_row + P::row(i);
      image[i] = m / (e.P * e.Q) * e.H * e.W;
      top[i] = m < rows ? m / e.Q % e.P * e.stride_h - e.padding_h : -(1 << 30);  // far outside for a row too many
      left[i] = m % e.Q * e.stride_w - e.padding_w;
    }
    const int k = first_k + P::k(0), tap = k / e.Cg;
    c = k % e.Cg, r = tap / e.S, s = tap % e.S;
  }
  __device__ const T* find(int i) const {
    const int y = top[i] + r * e.dilation_h, x = left[i] + s * e.dilation_w;
    const bool inside = r < e.R && (unsigned)y < (unsigned)e.H && (unsigned)x < (unsigned)e.W;  // a negative is large
    return inside ? base + (image[i] + y * e.W + x) * e.C + c : nullptr;
  }
  __device__ void advance() {
    for (c += BK; c >= e.Cg; c -= e.Cg) {
      if (++s == e.S) s = 0, ++r;
    }
  }
};

// X as an operand with a row per (r, s, c): rows stay, k = the pixel (n, p, q) moves on.
template <int ROWS> struct TapRows : Panel<ROWS, false> {
  using P = Panel<ROWS, false>;
  const T* base;
  Geometry e;
  int N, top, left, c;
  int n[P::PIECES], p[P::PIECES], q[P::PIECES];

  __device__ TapRows(const T* x, const Geometry& e, int N, int first_row, int first_k) : base(x), e(e), N(N) {
    const int row = first_row + P::row(0), tap = row / e.Cg, r = tap / e.S;
    c = row % e.Cg;
    top = r < e.R ? r * e.dilation_h - e.padding_h : -(1 << 30);
    left = tap % e.S * e.dilation_w - e.padding_w;
#pragma unroll
    for (int i = 0; i < P::PIECES; ++i) {
      const int m = first_k + P::k(i);
      n[i] = m / (e.P * e.Q), p[i] = m / e.Q % e.P, q[i] = m % e.Q;
    }
  }
  __device__ const T* find(int i) const {
    const int y = p[i] * e.stride_h + top, x = q[i] * e.stride_w + left;
    const bool inside = n[i] < N && (unsigned)y < (unsigned)e.H && (unsigned)x < (unsigned)e.W;
    return inside ? base + ((n[i] * e.H + y) * e.W + x) * e.C + c : nullptr;
  }
  __device__ void advance() {
#pragma unroll
    for (int i = 0; i < P::PIECES; ++i) {
      for (q[i] += BK; q[i] >= e.Q; q[i] -= e.Q) {
        if (++p[i] == e.P) p[i] = 0, ++n[i];
      }
    }
  }
};

// The steps of k, ceil(K / BK) of them, that block `split` of `splits` takes.
struct Share {
  int first, steps;
  __device__ Share(int K, int split, int splits) {
    const int all = (K + BK - 1) / BK, each = (all + splits - 1) / splits;
    first = min(all, split * each);
    steps = min(all, first + each) - first;
  }
};

extern "C" __global__ void __launch_bounds__(THREADS)
conv_tile(const T* x, // (N, H, W, C)
          const T* f, // (O, R, S, Cg)
          const T* b, // (O) or none
          T* y, // (splits, N, OH, OW, O)
          int N, int H, int W, int C, int P, int Q, int O, int R, int S, int Cg, int Og,
          int stride_h, int stride_w, int dilation_h, int dilation_w, int padding_h, int padding_w,
          int OH, int OW, int pitch_h, int pitch_w, int phase_h, int phase_w, int splits) {
  using X = PixelRows<BM>;
  using F = Matrix<BN, true>;
  __shared__ __align__(16) T shared[STAGES * (X::SIZE + F::SIZE)];
  const Geometry e = {H, W, C, P, Q, R, S, Cg, stride_h, stride_w, dilation_h, dilation_w, padding_h, padding_w};
  const int g = blockIdx.z / splits, split = blockIdx.z % splits, M = N * P * Q, K = R * S * Cg;
  const int first_m = blockIdx.x * BM, first_o = blockIdx.y * BN;
  const Share share(K, split, splits);
  const X rows(x + g * Cg, e, first_m, M, share.first * BK);
  const F columns(f + g * Og * K, first_o, Og, share.first * BK, K, K);
  const Target target = {P, Q, OH, OW, O, pitch_h, pitch_w, phase_h, phase_w};
  const int part = split * N * OH * OW * O;
  multiply(rows, columns, share.steps, shared, [=](int m, int n, T sum) {
    const int o = g * Og + first_o + n;
    if (first_m + m < M && first_o + n < Og) y[part + target.at(first_m + m) + o] = sum + (b ? b[o] : T(0));
  });
}

// The filter gradient

extern "C" __global__ void filter_direct(const T* x, // (N, H, W, C)
                                         const T* y, // (N, P, Q, O)
                                         T* w, // (O, Cg, R, S)
                                         int N, int H, int W, int C, int P, int Q, int O, int R, int S, int Cg, int Og,
                                         int stride_h, int stride_w, int dilation_h, int dilation_w, int padding_h,
                                         int padding_w) {
  const int index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= O * Cg * R * S) return;
  const int s = index % S, r = index / S % R, c = index / (R * S) % Cg, o = index / (R * S * Cg), g = o / Og;
  T sum = 0;
  for (int m = 0; m < N * P * Q; ++m) {
    const int n = m / (P * Q), i = m / Q % P * stride_h + r * dilation_h - padding_h;
    const int j = m % Q * stride_w + s * dilation_w - padding_w;
    if (i >= 0 && i < H && j >= 0 && j < W) sum += x[((n * H + i) * W + j) * C + g * Cg + c] * y[m * O + o];
  }
  w[index] = sum;
}

extern "C" __global__ void __launch_bounds__(THREADS)
filter_tile(const T* x, // (N, H, W, C)
            const T* y, // (N, P, Q, O)
            T* w, // (splits, O, Cg, R, S)
            int N, int H, int W, int C, int P, int Q, int O, int R, int S, int Cg, int Og,
            int stride_h, int stride_w, int dilation_h, int dilation_w, int padding_h, int padding_w, int splits) {
  using Y = Matrix<BM, false>;
  using X = TapRows<BN>;
  __shared__ __align__(16) T shared[STAGES * (Y::SIZE + X::SIZE)];
  const Geometry e = {H, W, C, P, Q, R, S, Cg, stride_h, stride_w, dilation_h, dilation_w, padding_h, padding_w};
  const int g = blockIdx.z / splits, split = blockIdx.z % splits;
  const int first_o = blockIdx.x * BM, first_n = blockIdx.y * BN;
  const Share share(N * P * Q, split, splits);
  const Y rows(y + g * Og, first_o, Og, share.first * BK, N * P * Q, O);
  const X columns(x + g * Cg, e, N, first_n, share.first * BK);
  multiply(rows, columns, share.steps, shared, [=](int m, int n, T sum) {
    const int o = first_o + m, tap = (first_n + n) / Cg, c = (first_n + n) % Cg;
    if (o < Og && tap < R * S) w[((split * O + g * Og + o) * Cg + c) * R * S + tap] = sum;
  });
}

// One filter per channel

extern "C" __global__ void depthwise(const T* x, // (N, H, W, C)
                                     const T* f, // (R, S, C)
                                     const T* b, // (C) or none
                                     T* y, // (N, OH, OW, C)
                                     int N, int H, int W, int C, int P, int Q, int R, int S,
                                     int stride_h, int stride_w, int dilation_h, int dilation_w, int padding_h,
                                     int padding_w, int OH, int OW, int pitch_h, int pitch_w, int phase_h,
                                     int phase_w) {
  const int index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= N * P * Q * C) return;
  const int m = index / C, c = index % C, n = m / (P * Q), p = m / Q % P, q = m % Q;
  T sum = b ? b[c] : T(0);
  for (int r = 0; r < R; ++r) {
    for (int s = 0; s < S; ++s) {
      const int i = p * stride_h + r * dilation_h - padding_h, j = q * stride_w + s * dilation_w - padding_w;
      if (i >= 0 && i < H && j >= 0 && j < W) sum += x[((n * H + i) * W + j) * C + c] * f[(r * S + s) * C + c];
    }
  }
  const Target target = {P, Q, OH, OW, C, pitch_h, pitch_w, phase_h, phase_w};
  y[target.at(m) + c] = sum;
}

// Grid (C / 32, R S, splits), block (32, 8): a column of 8 threads takes every (8 splits)-th pixel of a channel.
extern "C" __global__ void filter_depthwise(const T* x, // (N, H, W, C)
                                            const T* y, // (N, P, Q, C)
                                            T* w, // (splits, R, S, C)
                                            int N, int H, int W, int C, int P, int Q, int R, int S,
                                            int stride_h, int stride_w, int dilation_h, int dilation_w, int padding_h,
                                            int padding_w, int splits) {
  __shared__ T sums[8][32];
  const int c = blockIdx.x * 32 + threadIdx.x, tap = blockIdx.y, split = blockIdx.z;
  T sum = 0;
  for (int m = split * 8 + threadIdx.y; c < C && m < N * P * Q; m += 8 * splits) {
    const int n = m / (P * Q), i = m / Q % P * stride_h + tap / S * dilation_h - padding_h;
    const int j = m % Q * stride_w + tap % S * dilation_w - padding_w;
    if (i >= 0 && i < H && j >= 0 && j < W) sum += x[((n * H + i) * W + j) * C + c] * y[m * C + c];
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y == 0 && c < C) {
    for (int t = 1; t < 8; ++t) sum += sums[t][threadIdx.x];
    w[(split * R * S + tap) * C + c] = sum;
  }
}

// total[i] = b[i mod O] + parts[0][i] + parts[1][i] + ...; a thread per number
extern "C" __global__ void add_splits(const T* parts, // (splits, size)
                                      const T* b, // (O) or none
                                      T* total, // (size)
                                      int splits, int size, int O) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  T sum = b ? b[i % O] : T(0);
  for (int split = 0; split < splits; ++split) sum += parts[split * size + i];
  total[i] = sum;
}
