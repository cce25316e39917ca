// The instructions that C++ has no words for, one function each. tests/cuda_on_cpu has each again, in scalars.
//
// Compute capability 8.0 and up (Ampere, Hopper). Source: PTX ISA, sections on cp.async and mma.
#ifndef CUDA_ON_CPU

// A copy from global to shared memory that goes past the registers and does not wait: to = valid ? from : 0.
template <int BYTES> __device__ __forceinline__ void copy_async(void* to, const void* from, bool valid) {
  const unsigned address = (unsigned)__cvta_generic_to_shared(to);
  const int read = valid ? BYTES : 0;  // what is not read is filled with zeros
  if constexpr (BYTES == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(read) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(address), "l"(from), "n"(BYTES), "r"(read)
                 : "memory");
  }
}

// Closes a group: the copies since the last one.
__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most GROUPS of the groups committed last are under way.
template <int GROUPS> __device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(GROUPS) : "memory");
}

// The nearest number with the 10 bits of mantissa that TF32 has.
__device__ __forceinline__ float to_tf32(float x) {
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return __uint_as_float(bits);
}

// c += a b on a tensor core, for a 16 x 8 and b 8 x 8, spread over a warp: with g = lane / 4 and t = lane % 4,
// a = (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4);  b = (t, g), (t + 4, g);
// c = (g, 2 t), (g, 2 t + 1), (g + 8, 2 t), (g + 8, 2 t + 1)
__device__ __forceinline__ void multiply_tf32(float (&c)[4], const float (&a)[4], const float (&b)[2]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])), "r"(__float_as_uint(a[3])),
        "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}

#endif
