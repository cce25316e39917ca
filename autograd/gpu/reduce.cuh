// Sums and maxima over the lanes of a warp and the threads of a block. Every thread gets the result.
//
// Lanes add in pairs, 16 apart, 8 apart, ... 1 apart: five steps, no shared memory, always the same order.
// All threads must take part, and a block be whole warps.
#pragma once

template <class V> __device__ __forceinline__ V warp_sum(V value) {
#pragma unroll
  for (int lanes = 16; lanes; lanes /= 2) value += __shfl_xor_sync(0xFFFFFFFF, value, lanes);
  return value;
}

template <class V> __device__ __forceinline__ V warp_max(V value) {
#pragma unroll
  for (int lanes = 16; lanes; lanes /= 2) {
    const V other = __shfl_xor_sync(0xFFFFFFFF, value, lanes);
    value = value < other ? other : value;
  }
  return value;
}

// shared: room for 32 numbers, which may hold those of an earlier sum. blockDim.x threads, at most 1024.
template <class V> __device__ __forceinline__ V block_sum(V value, V* shared) {
  value = warp_sum(value);
  __syncthreads();  // the earlier sum has been read
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
  __syncthreads();
  V total = 0;
  for (int warp = 0; warp < (int)blockDim.x / 32; ++warp) total += shared[warp];
  return total;
}
