// What a kernel's source is compiled with: ../cuda_on_cpu/cuda_on_cpu.h, CUDA's own headers for half precision, which
// also compile for a CPU, and the functions of CUDA that CuPy's kernels use beyond ours. See compile.py.
#pragma once
#include <cuda_fp16.h>
#include <math.h>
#include <stdlib.h>
#include <vector_functions.h>
#include <vector_types.h>

#include <climits>
#include <initializer_list>
#include <type_traits>

#undef __global__
#undef __device__
#undef __host__
#undef __constant__
#undef __shared__
#undef __forceinline__
#undef __noinline__
#undef __launch_bounds__
#undef __align__
#include "../cuda_on_cpu/cuda_on_cpu.h"
#define __host__
#define __constant__
#define __noinline__
#define __CUDACC_VER_MAJOR__ 13

namespace cpu {

// The threads of a kernel without barriers need no fibers: one after the other, each to its end.
static void run_simple_block() {
  for (int i = 0; i < threads; ++i) {
    current = &fibers[i];
    current->number = i;
    current->thread = {i % block_size.x, i / block_size.x % block_size.y, i / (block_size.x * block_size.y)};
    entry(arguments);
  }
}

static int run_simply(void (*kernel)(void**), const int* grid_, const int* block_, void** arguments_) {
  grid = {grid_[0], grid_[1], grid_[2]}, block_size = {block_[0], block_[1], block_[2]};
  threads = block_size.x * block_size.y * block_size.z;
  entry = kernel, arguments = arguments_;
  for (int z = 0; z < grid.z; ++z)
    for (int y = 0; y < grid.y; ++y)
      for (int x = 0; x < grid.x; ++x) {
        block_index = {x, y, z};
        run_simple_block();
      }
  return 0;
}

// A kernel whose every thread goes on in steps of all threads (CUPY_FOR) does the same with one.
static int run_as_a_loop(void (*kernel)(void**), const int*, const int*, void** arguments_) {
  const int one[] = {1, 1, 1};
  return run_simply(kernel, one, one, arguments_);
}

static int run_in_fibers(void (*kernel)(void**), const int* grid_, const int* block_, void** arguments_) {
  return launch(kernel, grid_, block_, arguments_, 0);
}

template <class... A> int sizes(void (*)(A...), int* sizes) {
  const int all[] = {int(sizeof(A))..., 0};
  memcpy(sizes, all, sizeof...(A) * sizeof(int));
  return sizeof...(A);
}

}  // namespace cpu

#define KERNEL(name, way)                                                                          \
  extern "C" int run_##name(const int* grid, const int* block, void** arguments) {                 \
    return cpu::way([](void** a) { cpu::call(name, a); }, grid, block, arguments);                 \
  }                                                                                                \
  extern "C" int sizes_##name(int* sizes) { return cpu::sizes(name, sizes); }
extern "C" const char* last_message() { return cpu::message; }

// Functions of CUDA

template <class To, class From> To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From), "");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}
static inline float __int_as_float(int x) { return bits_as<float>(x); }
static inline int __float_as_int(float x) { return bits_as<int>(x); }
static inline float __uint_as_float(unsigned x) { return bits_as<float>(x); }
static inline unsigned __float_as_uint(float x) { return bits_as<unsigned>(x); }
static inline double __longlong_as_double(long long x) { return bits_as<double>(x); }
static inline long long __double_as_longlong(double x) { return bits_as<long long>(x); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
static inline double sinpi(double x) { return sin(x * M_PI); }
static inline double cospi(double x) { return cos(x * M_PI); }
static inline float sinpif(float x) { return sinf(x * float(M_PI)); }
static inline float cospif(float x) { return cosf(x * float(M_PI)); }
static inline double erfcx(double x) {  // e^(x^2) erfc(x); its asymptotic series where erfc is about to underflow
  if (x < 26) return exp(x * x) * erfc(x);
  const double r = 1 / (2 * x * x);
  return (1 - r * (1 - 3 * r * (1 - 5 * r * (1 - 7 * r * (1 - 9 * r))))) / (x * sqrt(M_PI));
}
static inline float erfcxf(float x) { return erfcx(x); }

#define ADD(T)                          \
  static inline T atomicAdd(T* p, T v) { \
    const T before = *p;                \
    *p += v;                            \
    return before;                      \
  }
#define ATOMICS(T)                             \
  ADD(T)                                       \
  static inline T atomicCAS(T* p, T c, T v) {  \
    const T before = *p;                       \
    if (before == c) *p = v;                   \
    return before;                             \
  }                                            \
  static inline T atomicMax(T* p, T v) {       \
    const T before = *p;                       \
    if (v > before) *p = v;                    \
    return before;                             \
  }                                            \
  static inline T atomicMin(T* p, T v) {       \
    const T before = *p;                       \
    if (v < before) *p = v;                    \
    return before;                             \
  }
ATOMICS(int)
ATOMICS(unsigned)
ATOMICS(unsigned long long)
ADD(float)
ADD(double)
