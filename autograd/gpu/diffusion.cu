// The noise-prediction loop of a diffusion model: what surrounds the network, in training and in sampling.
//
//   draw_times     t[n] uniform on 1..last                                       training, DDPM algorithm 1, line 3
//   q_sample       x_t = a[t] x_0 + s[t] eps,   a^2 + s^2 = 1                                          lines 4 and 5
//   noise_loss     sum of (eps_hat - eps)^2, and its gradient                                                 line 5
//   fill_normal    x_T ~ N(0, I)                                                 sampling, algorithm 2, line 1
//   reverse_step   q   = (1 + w) conditional - w unconditional                                    lines 3 and 4
//                  x_0 = clip(p_t x_t + p_q q)
//                  x_s = k_0 x_0 + k_t x_t + sigma z
//   set_times, advance    what changes from step to step when the loop is replayed as a CUDA graph
//
// Composed of array operations each is four to eight passes over memory; here it is one, and as noise is not stored but
// drawn again where it is needed, even less: noise_loss reads 4 bytes per number and writes 4, where mean((a - b)^2)
// and its gradient move 32. On small images it is the number of launches that counts, on large ones the bytes.
//
// Every sampler of minigen/diffusion/samplers.py, DDPM's and DDIM with any eta, and every kind of prediction (noise,
// image, velocity, score) is a row of five numbers per step, (p_t, p_q, k_0, k_t, sigma): the rows are made on the CPU,
// in float64, and lie in device memory, as do the number of the step and t. So a captured loop holds no numbers.
//
// Noise is stateless (Philox 4x32-10, Salmon et al. 2011): four words are a function of a counter and the seed,
//   counter = (index of the number / 4, step, stream, 0),   key = the seed's two halves,
// which any thread computes by itself, in any order. Two words give two normal draws by Box and Muller.
//
// Launch: a thread per 4 numbers; noise_loss with whole warps. draw_times, set_times: a thread per image. advance: one.
// Macros: REAL. Twin: minigen/diffusion/philox.py and fused.py. Read before this: nothing.
#include "reduce.cuh"

typedef REAL T;

// Ten rounds that mix a counter of four words beyond recognition.
struct Philox {
  unsigned c[4];
  __device__ Philox(unsigned c0, unsigned c1, unsigned c2, unsigned key0, unsigned key1) : c{c0, c1, c2, 0} {
#pragma unroll
    for (int round = 0; round < 10; ++round) {
      const unsigned high0 = __umulhi(0xD2511F53u, c[0]), low0 = 0xD2511F53u * c[0];
      const unsigned high1 = __umulhi(0xCD9E8D57u, c[2]), low1 = 0xCD9E8D57u * c[2];
      c[0] = high1 ^ c[1] ^ key0, c[1] = low1, c[2] = high0 ^ c[3] ^ key1, c[3] = low0;
      key0 += 0x9E3779B9u, key1 += 0xBB67AE85u;
    }
  }
};

enum Stream { NOISE, TIMES };  // so that different uses of a step do not see the same numbers

// The middle of one of 2^23 intervals of (0, 1), which float32 holds exactly.
__device__ __forceinline__ T uniform(unsigned word) { return ((word >> 9) + T(0.5)) * T(1.0 / (1 << 23)); }

// Normal draws number 4 i .. 4 i + 3 of a step.
__device__ __forceinline__ void draw_normal(T (&z)[4], int i, int step, unsigned seed_low, unsigned seed_high) {
  const Philox words(i, step, NOISE, seed_low, seed_high);
#pragma unroll
  for (int j = 0; j < 4; j += 2) {
    const T radius = sqrt(T(-2) * log(uniform(words.c[j])));
    T sine, cosine;
    sincospi(T(2) * uniform(words.c[j + 1]), &sine, &cosine);
    z[j] = radius * cosine, z[j + 1] = radius * sine;
  }
}

extern "C" __global__ void draw_times(int* t, // (N)
                                      const int* step, // (1)
                                      unsigned seed_low, unsigned seed_high, int N, int last) {
  const int n = blockIdx.x * blockDim.x + threadIdx.x;
  if (n < N) t[n] = 1 + (int)__umulhi(Philox(n, *step, TIMES, seed_low, seed_high).c[0], last);
}

extern "C" __global__ void q_sample(const T* x_0, // (N, D)
                                    const int* t, // (N)
                                    const T* a, // (steps)
                                    const T* s, // (steps)
                                    T* x_t, // (N, D)
                                    const int* step, // (1)
                                    unsigned seed_low, unsigned seed_high, int N, int D, int steps) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  T eps[4];
  draw_normal(eps, i, *step, seed_low, seed_high);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const int element = 4 * i + j;
    if (element < N * D) x_t[element] = a[t[element / D]] * x_0[element] + s[t[element / D]] * eps[j];
  }
}

// gradient = factor (eps_hat - eps), sums[block] = the block's share of the sum of squares
extern "C" __global__ void noise_loss(const T* eps_hat, // (size)
                                      T* gradient, // (size)
                                      T* sums, // (blocks)
                                      const int* step, // (1)
                                      unsigned seed_low, unsigned seed_high, T factor, int size, int blocks) {
  __shared__ T shared[32];
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  T eps[4], sum = 0;
  draw_normal(eps, i, *step, seed_low, seed_high);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    if (4 * i + j < size) {
      const T d = eps_hat[4 * i + j] - eps[j];
      gradient[4 * i + j] = factor * d;
      sum += d * d;
    }
  }
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

extern "C" __global__ void fill_normal(T* x, // (size)
                                       const int* step, // (1)
                                       unsigned seed_low, unsigned seed_high, int size) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  T z[4];
  draw_normal(z, i, *step, seed_low, seed_high);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    if (4 * i + j < size) x[4 * i + j] = z[j];
  }
}

// x_s may be x_t.
extern "C" __global__ void reverse_step(const T* x_t, // (size)
                                        const T* conditional, // (size)
                                        const T* unconditional, // (size) or none
                                        T* x_s, // (size)
                                        const T* table, // (steps, 5)
                                        const int* row, // (1)
                                        const int* step, // (1)
                                        unsigned seed_low, unsigned seed_high, T w, T low, T high, int size,
                                        int steps) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const T *numbers = table + 5 * *row, sigma = numbers[4];
  T z[4] = {0, 0, 0, 0};
  if (sigma > 0) draw_normal(z, i, *step, seed_low, seed_high);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const int element = 4 * i + j;
    if (element >= size) break;
    T q = conditional[element];
    if (unconditional) q = (1 + w) * q - w * unconditional[element];
    const T x_0 = min(max(numbers[0] * x_t[element] + numbers[1] * q, low), high);
    x_s[element] = numbers[2] * x_0 + numbers[3] * x_t[element] + sigma * z[j];
  }
}

// t[n] = times[*row]: what the network is told
extern "C" __global__ void set_times(int* t, // (N)
                                     const int* times, // (steps)
                                     const int* row, // (1)
                                     int N, int steps) {
  const int n = blockIdx.x * blockDim.x + threadIdx.x;
  if (n < N) t[n] = times[*row];
}

extern "C" __global__ void advance(int* row, // (1)
                                   int by) {
  *row += by;
}
