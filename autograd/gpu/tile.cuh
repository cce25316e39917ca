// One block's share of a matrix product, C[m, n] = sum over k of A(m, k) B(n, k): what conv.cu and gemm.cu stand on.
//
// A block computes a tile of BM x BN numbers of C. It takes k in steps of BK, and for each step brings a panel of A,
// BM x BK, and one of B, BN x BK, to shared memory, where every number is used BN or BM times instead of being fetched
// as often. Three things make that fast, from the most to the least important:
//
//   registers   a thread computes TM x TN numbers: TM + TN numbers from shared memory give TM * TN multiplications.
//               With TM = TN = 1 shared memory would limit; with 8 x 8 the arithmetic does.
//   16 bytes    are moved by one instruction, from global memory (VEC numbers of T) and from shared memory (WIDE).
//   stages      copies are asynchronous, and STAGES panels are in flight: while one is multiplied, others arrive.
//
// With TENSOR_CORES the registers' part is exchanged for the matrix instruction of a warp, 16 x 8 x 8 at once, in TF32:
// factors with 10 bits of mantissa, sums in float32. The rest stays as it is.
//
// What A and B are is not known here: an operand is a struct that finds its numbers, find(i) -> the address of the i-th
// piece that this thread is to copy of the present panel, nullptr for zeros; and advance() to the next panel. K_FAST
// says whether neighbours in memory, and so in a piece, are neighbours in k (else in m or n). Panels keep that order.
//
// Macros: REAL float or double; BM BN TM TN as above; STAGES >= 2; VEC numbers per copy, 1 or WIDE, which needs both
// operands' rows to begin at multiples of 16 bytes; TENSOR_CORES 0 or 1 (float only; a warp then takes 32 x 32 of C).
// Read next: conv.cu.
#include "ptx.cuh"

typedef REAL T;
constexpr int WIDE = 16 / sizeof(T);  // numbers in 16 bytes
constexpr int BK = 4 * WIDE;
#if TENSOR_CORES
constexpr int THREADS = BM * BN / 32;
#else
constexpr int THREADS = (BM / TM) * (BN / TN);
#endif

struct __align__(16) Wide {
  T v[WIDE];
};

// A panel of ROWS x BK in shared memory, and which of its pieces the present thread copies: piece i has its first
// number at row(i), k(i). One of the two is the same for all i. The pitch keeps rows at multiples of 16 bytes, and
// apart so that the lanes of a warp that read at the same time meet different banks.
template <int ROWS, bool K_FAST> struct Panel {
  static constexpr bool FAST = K_FAST;
  static constexpr int PITCH = K_FAST ? BK + WIDE : ROWS + 8;
  static constexpr int SIZE = K_FAST ? ROWS * PITCH : BK * PITCH;
  static constexpr int PER_LINE = (K_FAST ? BK : ROWS) / VEC;
  static constexpr int PIECES = ROWS * BK / VEC / THREADS;
  static_assert(THREADS % PER_LINE == 0 && PIECES * VEC * THREADS == ROWS * BK, "pieces do not divide among threads");

  static __device__ int at(int row, int k) { return K_FAST ? row * PITCH + k : k * PITCH + row; }
  static __device__ int line(int i) { return threadIdx.x / PER_LINE + i * (THREADS / PER_LINE); }
  static __device__ int along() { return threadIdx.x % PER_LINE * VEC; }
  static __device__ int row(int i) { return K_FAST ? line(i) : along(); }
  static __device__ int k(int i) { return K_FAST ? along() : line(i); }
};

// A matrix in memory as an operand: rows x depth, number (row, k) at row * pitch + k if K_FAST, else k * pitch + row.
template <int ROWS, bool K_FAST> struct Matrix : Panel<ROWS, K_FAST> {
  using P = Panel<ROWS, K_FAST>;
  const T* base;
  int first_row, rows, first_k, depth, pitch;

  __device__ Matrix(const T* base, int first_row, int rows, int first_k, int depth, int pitch)
      : base(base), first_row(first_row), rows(rows), first_k(first_k), depth(depth), pitch(pitch) {}
  __device__ const T* find(int i) const {
    const int row = first_row + P::row(i), k = first_k + P::k(i);
    return row < rows && k < depth ? base + (K_FAST ? row * pitch + k : k * pitch + row) : nullptr;
  }
  __device__ void advance() { first_k += BK; }
};

template <class Operand> __device__ __forceinline__ void stage(Operand& operand, T* panel) {
#pragma unroll
  for (int i = 0; i < Operand::PIECES; ++i) {
    const T* from = operand.find(i);
    copy_async<VEC * sizeof(T)>(panel + Operand::at(Operand::row(i), Operand::k(i)), from ? from : operand.base,
                                from != nullptr);
  }
  operand.advance();
}

#if TENSOR_CORES

// The sums of a thread of a warp that takes 32 x 32 of the tile: 2 x 4 results of the instruction, 4 numbers of each.
struct Sums {
  float c[2][4][4] = {};

  static __device__ int warp_m() { return threadIdx.x / 32 % (BM / 32) * 32; }
  static __device__ int warp_n() { return threadIdx.x / 32 / (BM / 32) * 32; }

  template <class A, class B> __device__ __forceinline__ void accumulate(const T* a, const T* b) {
    const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int k = 0; k < BK; k += 8) {
      float a_own[2][4], b_own[4][2];
#pragma unroll
      for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j)
          a_own[i][j] = to_tf32(a[A::at(warp_m() + 16 * i + g + 8 * (j % 2), k + t + 4 * (j / 2))]);
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 2; ++j) b_own[i][j] = to_tf32(b[B::at(warp_n() + 8 * i + g, k + t + 4 * j)]);
#pragma unroll
      for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) multiply_tf32(c[i][j], a_own[i], b_own[j]);
    }
  }

  // f(m, n, sum) for every sum of this thread, with m, n counted from the tile's corner
  template <class A, class B, class F> __device__ __forceinline__ void for_each(F f) const {
    const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e)
          f(warp_m() + 16 * i + g + 8 * (e / 2), warp_n() + 8 * j + 2 * t + e % 2, c[i][j][e]);
  }
};

#else

// Row i of the COUNT rows of a panel that thread t of `threads` multiplies. They are neighbours in groups of WIDE where
// that is how they are read, and else far apart, so that the lanes' reads fall into different banks.
template <class P, int COUNT> __device__ int own_row(int i, int t, int threads) {
  return P::FAST ? t + i * threads : (i / WIDE * threads + t) * WIDE + i % WIDE;
}

// own[i][j] = the number of row i at k + j, j < WIDE, by reads of 16 bytes
template <class P, int COUNT>
__device__ __forceinline__ void read_own(T (&own)[COUNT][WIDE], const T* panel, int k, int t, int threads) {
#pragma unroll
  for (int i = 0; i < COUNT; ++i) {
    if (P::FAST) {
      const Wide w = *(const Wide*)(panel + P::at(own_row<P, COUNT>(i, t, threads), k));
#pragma unroll
      for (int j = 0; j < WIDE; ++j) own[i][j] = w.v[j];
    } else if (i % WIDE == 0) {
#pragma unroll
      for (int j = 0; j < WIDE; ++j) {
        const Wide w = *(const Wide*)(panel + P::at(own_row<P, COUNT>(i, t, threads), k + j));
#pragma unroll
        for (int e = 0; e < WIDE; ++e) own[i + e][j] = w.v[e];
      }
    }
  }
}

// The TM x TN sums of a thread.
struct Sums {
  T c[TM][TN] = {};

  static __device__ int y() { return threadIdx.x / (BN / TN); }
  static __device__ int x() { return threadIdx.x % (BN / TN); }

  template <class A, class B> __device__ __forceinline__ void accumulate(const T* a, const T* b) {
#pragma unroll
    for (int k = 0; k < BK; k += WIDE) {
      T a_own[TM][WIDE], b_own[TN][WIDE];
      read_own<A>(a_own, a, k, y(), BM / TM);
      read_own<B>(b_own, b, k, x(), BN / TN);
#pragma unroll
      for (int j = 0; j < WIDE; ++j)
#pragma unroll
        for (int m = 0; m < TM; ++m)
#pragma unroll
          for (int n = 0; n < TN; ++n) c[m][n] += a_own[m][j] * b_own[n][j];
    }
  }

  // f(m, n, sum) for every sum of this thread, with m, n counted from the tile's corner
  template <class A, class B, class F> __device__ __forceinline__ void for_each(F f) const {
#pragma unroll
    for (int m = 0; m < TM; ++m)
#pragma unroll
      for (int n = 0; n < TN; ++n)
        f(own_row<A, TM>(m, y(), BM / TM), own_row<B, TN>(n, x(), BN / TN), c[m][n]);
  }
};

#endif

// Adds the products of so many steps of k, then calls f(m, n, sum) for each number of the tile. `shared` has room for
// STAGES panels of both operands.
template <class A, class B, class F>
__device__ __forceinline__ void multiply(A a, B b, int steps, T* shared, F f) {
  T* const shared_b = shared + STAGES * A::SIZE;
  Sums sums;
  for (int step = 0; step < STAGES - 1; ++step) {
    if (step < steps) {
      stage(a, shared + step * A::SIZE);
      stage(b, shared_b + step * B::SIZE);
    }
    commit_copies();
  }
  for (int step = 0; step < steps; ++step) {
    wait_for_copies<STAGES - 2>();  // this thread's part of panel `step` is here,
    __syncthreads();                // and everyone's; and no one reads the panel before it any more,
    const int next = step + STAGES - 1;
    if (next < steps) {             // whose place is taken by the next to be fetched
      stage(a, shared + next % STAGES * A::SIZE);
      stage(b, shared_b + next % STAGES * B::SIZE);
    }
    commit_copies();
    sums.template accumulate<A, B>(shared + step % STAGES * A::SIZE, shared_b + step % STAGES * B::SIZE);
  }
  sums.template for_each<A, B>(f);
}
