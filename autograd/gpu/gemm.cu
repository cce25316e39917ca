// Matrix product: C = A B for a batch, C[b, m, n] = sum over k of A[b, m, k] B[b, k, n].
//
// cuBLAS does this, and on large matrices better. But its calls cannot be captured in a CUDA graph from CuPy, and a
// network whose linear layers and attention can be is replayed without the CPU: that is what this kernel is for.
//
// The tile is that of tile.cuh, as in conv.cu. What remains is how the operands lie in memory. Autograd multiplies by
// transposes all the time (x W^T, g^T x), and a transpose is the same memory read in the other order: A_K_FAST says
// that A's neighbours in memory are neighbours in k, (batch, M, K), else in m, (batch, K, M); B_K_FAST likewise,
// (batch, N, K) or (batch, K, N). Nothing is copied.
//
// Launch: grid (M / BM, N / BN, batch splits), THREADS threads. batch_a, batch_b: as many matrices, or 1 for all.
// Macros: those of tile.cuh, A_K_FAST, B_K_FAST. Twin: numpy.matmul. Read before this: tile.cuh.
#include "tile.cuh"

extern "C" __global__ void __launch_bounds__(THREADS)
gemm(const T* a, // (batch_a, M, K)
     const T* b, // (batch_b, K, N)
     T* c, // (splits, batch, M, N)
     int batch_a, int batch_b, int batch, int M, int N, int K, int splits) {
  using A = Matrix<BM, A_K_FAST>;
  using B = Matrix<BN, B_K_FAST>;
  __shared__ __align__(16) T shared[STAGES * (A::SIZE + B::SIZE)];
  const int item = blockIdx.z / splits, split = blockIdx.z % splits;
  const int first_m = blockIdx.x * BM, first_n = blockIdx.y * BN;
  const int all = (K + BK - 1) / BK, each = (all + splits - 1) / splits;
  const int first = min(all, split * each), steps = min(all, first + each) - first;
  const A rows(a + (batch_a == 1 ? 0 : item * M * K), first_m, M, first * BK, K, A_K_FAST ? K : M);
  const B columns(b + (batch_b == 1 ? 0 : item * K * N), first_n, N, first * BK, K, B_K_FAST ? K : N);
  T* const result = c + (split * batch + item) * M * N;
  multiply(rows, columns, steps, shared, [=](int m, int n, T sum) {
    if (first_m + m < M && first_n + n < N) result[(first_m + m) * N + first_n + n] = sum;
  });
}

// total[i] = parts[0][i] + parts[1][i] + ...; a thread per number
extern "C" __global__ void add_parts(const T* parts, // (splits, size)
                                     T* total, // (size)
                                     int splits, int size) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  T sum = 0;
  for (int split = 0; split < splits; ++split) sum += parts[split * size + i];
  total[i] = sum;
}
