// cuBLAS as far as CuPy's matmul, einsum and linalg call it, by loops. Matrices are column-major. build.py adds a
// function that says NOT_SUPPORTED for every other name that CuPy links with (stubs.h).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include <cuda_fp16.h>

#define API extern "C" __attribute__((visibility("default")))
constexpr int SUCCESS = 0, NOT_SUPPORTED = 15;

static void* stream;
static int pointer_mode, math_mode;

API int cublasCreate_v2(void** handle) { return *handle = (void*)1, SUCCESS; }
API int cublasDestroy_v2(void*) { return SUCCESS; }
API int cublasSetStream_v2(void*, void* s) { return stream = s, SUCCESS; }
API int cublasGetStream_v2(void*, void** s) { return *s = stream, SUCCESS; }
API int cublasSetPointerMode_v2(void*, int mode) { return pointer_mode = mode, SUCCESS; }
API int cublasGetPointerMode_v2(void*, int* mode) { return *mode = pointer_mode, SUCCESS; }
API int cublasSetMathMode(void*, int mode) { return math_mode = mode, SUCCESS; }
API int cublasGetMathMode(void*, int* mode) { return *mode = math_mode, SUCCESS; }
API int cublasGetVersion_v2(void*, int* version) { return *version = 130000, SUCCESS; }

// c = alpha op(a) op(b) + beta c, sums in A
template <class A, class T>
static void gemm(int ta, int tb, int m, int n, int k, A alpha, const T* a, int lda, const T* b, int ldb, A beta, T* c,
                 int ldc) {
  for (int j = 0; j < n; ++j) {
    for (int i = 0; i < m; ++i) {
      A sum = 0;
      for (int l = 0; l < k; ++l) {
        const T left = ta ? a[l + long(i) * lda] : a[i + long(l) * lda];
        const T right = tb ? b[j + long(l) * ldb] : b[l + long(j) * ldb];
        sum += A(left) * A(right);
      }
      T& out = c[i + long(j) * ldc];
      out = T(beta == 0 ? alpha * sum : alpha * sum + beta * A(out));
    }
  }
}

template <class T>
static void gemv(int t, int m, int n, T alpha, const T* a, int lda, const T* x, int ix, T beta, T* y, int iy) {
  for (int i = 0; i < (t ? n : m); ++i) {
    T sum = 0;
    for (int l = 0; l < (t ? m : n); ++l) sum += (t ? a[l + long(i) * lda] : a[i + long(l) * lda]) * x[long(l) * ix];
    T& out = y[long(i) * iy];
    out = beta == 0 ? alpha * sum : alpha * sum + beta * out;
  }
}

// c = alpha op(a) + beta op(b); c may be a or b
template <class T>
static void geam(int ta, int tb, int m, int n, T alpha, const T* a, int lda, T beta, const T* b, int ldb, T* c,
                 int ldc) {
  std::vector<T> sum(long(m) * n);
  for (int j = 0; j < n; ++j) {
    for (int i = 0; i < m; ++i) {
      T& s = sum[i + long(j) * m];
      if (alpha != 0) s += alpha * (ta ? a[j + long(i) * lda] : a[i + long(j) * lda]);
      if (beta != 0) s += beta * (tb ? b[j + long(i) * ldb] : b[i + long(j) * ldb]);
    }
  }
  for (int j = 0; j < n; ++j) std::copy_n(&sum[long(j) * m], m, c + long(j) * ldc);
}

// a = P L U in place; the first column without a pivot, from 1 on, or 0
template <class T> static int lu(int n, T* a, int lda, int* pivots) {
  int singular = 0;
  for (int k = 0; k < n; ++k) {
    int p = k;
    for (int i = k; i < n; ++i) p = fabs(a[i + k * lda]) > fabs(a[p + k * lda]) ? i : p;
    if (pivots) pivots[k] = p + 1;
    if (a[p + k * lda] == 0) {
      singular = singular ? singular : k + 1;
      continue;
    }
    for (int j = 0; j < n; ++j) std::swap(a[k + j * lda], a[p + j * lda]);
    for (int i = k + 1; i < n; ++i) {
      a[i + k * lda] /= a[k + k * lda];
      for (int j = k + 1; j < n; ++j) a[i + j * lda] -= a[i + k * lda] * a[k + j * lda];
    }
  }
  return singular;
}

// b = a^-1 b, or with t a^-T b, for a as lu leaves it
template <class T> static void solve(int t, int n, int columns, const T* a, int lda, const int* pivots, T* b, int ldb) {
  for (T* x = b; x < b + long(columns) * ldb; x += ldb) {
    for (int k = 0; !t && k < n; ++k) std::swap(x[k], x[pivots[k] - 1]);
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < i; ++j) x[i] -= (t ? a[j + i * lda] : a[i + j * lda]) * x[j];
      if (t) x[i] /= a[i + i * lda];
    }
    for (int i = n - 1; i >= 0; --i) {
      for (int j = i + 1; j < n; ++j) x[i] -= (t ? a[j + i * lda] : a[i + j * lda]) * x[j];
      if (!t) x[i] /= a[i + i * lda];
    }
    for (int k = n - 1; t && k >= 0; --k) std::swap(x[k], x[pivots[k] - 1]);
  }
}

#define ROUTINES(L, l, T)                                                                                            \
  API int cublas##L##gemm_v2(void*, int ta, int tb, int m, int n, int k, const T* alpha, const T* a, int lda,        \
                             const T* b, int ldb, const T* beta, T* c, int ldc) {                                    \
    return gemm(ta, tb, m, n, k, *alpha, a, lda, b, ldb, *beta, c, ldc), SUCCESS;                                    \
  }                                                                                                                  \
  API int cublas##L##gemmStridedBatched(void*, int ta, int tb, int m, int n, int k, const T* alpha, const T* a,      \
                                        int lda, long long to_a, const T* b, int ldb, long long to_b, const T* beta, \
                                        T* c, int ldc, long long to_c, int count) {                                  \
    for (int i = 0; i < count; ++i, a += to_a, b += to_b, c += to_c) {                                               \
      gemm(ta, tb, m, n, k, *alpha, a, lda, b, ldb, *beta, c, ldc);                                                  \
    }                                                                                                                \
    return SUCCESS;                                                                                                  \
  }                                                                                                                  \
  API int cublas##L##gemmBatched(void*, int ta, int tb, int m, int n, int k, const T* alpha, const T* const* a,      \
                                 int lda, const T* const* b, int ldb, const T* beta, T* const* c, int ldc,           \
                                 int count) {                                                                        \
    for (int i = 0; i < count; ++i) gemm(ta, tb, m, n, k, *alpha, a[i], lda, b[i], ldb, *beta, c[i], ldc);           \
    return SUCCESS;                                                                                                  \
  }                                                                                                                  \
  API int cublas##L##gemv_v2(void*, int t, int m, int n, const T* alpha, const T* a, int lda, const T* x, int ix,    \
                             const T* beta, T* y, int iy) {                                                          \
    return gemv(t, m, n, *alpha, a, lda, x, ix, *beta, y, iy), SUCCESS;                                              \
  }                                                                                                                  \
  API int cublas##L##dot_v2(void*, int n, const T* x, int ix, const T* y, int iy, T* result) {                       \
    *result = 0;                                                                                                     \
    for (int i = 0; i < n; ++i) *result += x[long(i) * ix] * y[long(i) * iy];                                        \
    return SUCCESS;                                                                                                  \
  }                                                                                                                  \
  API int cublas##L##geam(void*, int ta, int tb, int m, int n, const T* alpha, const T* a, int lda, const T* beta,   \
                          const T* b, int ldb, T* c, int ldc) {                                                      \
    return geam(ta, tb, m, n, *alpha, a, lda, *beta, b, ldb, c, ldc), SUCCESS;                                       \
  }                                                                                                                  \
  API int cublas##L##getrfBatched(void*, int n, T* const* a, int lda, int* pivots, int* info, int count) {           \
    for (int i = 0; i < count; ++i) info[i] = lu(n, a[i], lda, pivots ? pivots + i * n : nullptr);                   \
    return SUCCESS;                                                                                                  \
  }                                                                                                                  \
  API int cublas##L##getriBatched(void*, int n, const T* const* a, int lda, const int* pivots, T* const* c, int ldc, \
                                  int* info, int count) {                                                            \
    for (int i = 0; i < count; ++i) {                                                                                \
      for (int j = 0; j < n * n; ++j) c[i][j % n + j / n * ldc] = j % n == j / n;                                    \
      solve(0, n, n, a[i], lda, pivots + i * n, c[i], ldc);                                                          \
      info[i] = 0;                                                                                                   \
    }                                                                                                                \
    return SUCCESS;                                                                                                  \
  }                                                                                                                  \
  API int l##_lu(int n, T* a, int lda, int* pivots) { return lu(n, a, lda, pivots); }                                \
  API void l##_solve(int t, int n, int columns, T* a, int lda, int* pivots, T* b, int ldb) {                         \
    solve(t, n, columns, a, lda, pivots, b, ldb);                                                                    \
  }
ROUTINES(S, s, float)
ROUTINES(D, d, double)

// The type of the matrices as an argument, by library_types.h; half precision has its sums in float
template <class A, class T>
static int gemm_strided(int ta, int tb, int m, int n, int k, const void* alpha, const void* a, int lda, long long to_a,
                        const void* b, int ldb, long long to_b, const void* beta, void* c, int ldc, long long to_c,
                        int count) {
  for (int i = 0; i < count; ++i) {
    gemm(ta, tb, m, n, k, *(const A*)alpha, (const T*)a + i * to_a, lda, (const T*)b + i * to_b, ldb, *(const A*)beta,
         (T*)c + i * to_c, ldc);
  }
  return SUCCESS;
}
API int cublasGemmStridedBatchedEx(void*, int ta, int tb, int m, int n, int k, const void* alpha, const void* a, int,
                                   int lda, long long to_a, const void* b, int, int ldb, long long to_b,
                                   const void* beta, void* c, int type, int ldc, long long to_c, int count, int, int) {
  const auto run = type == 0   ? gemm_strided<float, float>
                   : type == 1 ? gemm_strided<double, double>
                   : type == 2 ? gemm_strided<float, __half>
                               : nullptr;
  if (!run) return fprintf(stderr, "[cuda on cpu] cublasGemmEx of type %d\n", type), NOT_SUPPORTED;
  return run(ta, tb, m, n, k, alpha, a, lda, to_a, b, ldb, to_b, beta, c, ldc, to_c, count);
}
API int cublasGemmEx(void* handle, int ta, int tb, int m, int n, int k, const void* alpha, const void* a, int a_type,
                     int lda, const void* b, int b_type, int ldb, const void* beta, void* c, int c_type, int ldc,
                     int compute, int algorithm) {
  return cublasGemmStridedBatchedEx(handle, ta, tb, m, n, k, alpha, a, a_type, lda, 0, b, b_type, ldb, 0, beta, c,
                                    c_type, ldc, 0, 1, compute, algorithm);
}

#define NONE(name) \
  API int name() { return fprintf(stderr, "[cuda on cpu] no " #name "\n"), NOT_SUPPORTED; }
#include "stubs.h"
