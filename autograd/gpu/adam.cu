// Adam and AdamW: one kernel over all parameters of a network.
//
//   g     = scale g
//   m     = beta1 m + (1 - beta1) g
//   v     = beta2 v + (1 - beta2) g^2
//   theta = (1 - lr decay) theta - lr m^ / (sqrt(v^) + eps),   m^ = m / (1 - beta1^t),  v^ = v / (1 - beta2^t)
//
// A network has a hundred small arrays and a few large ones. Launching a kernel for each, or ten, as array operations
// do, costs more than the arithmetic. So the addresses of up to MOST arrays go into one structure, passed by value as
// an argument, and a block finds by its number which array it works on and where: PyTorch's multi_tensor_apply.
//
// t and lr come as numbers, or, so that a captured training step can be replayed, from device memory.
//
// Launch: a block per BLOCK numbers of an array, rounded up for each array. Macros: REAL, MOST, BLOCK (its threads).
// Twin: Adam.update in minigen/optim.py. Read before this: nothing.
typedef REAL T;

struct Arrays {
  unsigned long long theta[MOST], g[MOST], m[MOST], v[MOST];  // addresses
  int size[MOST];
  int end[MOST];  // the number of the first block after those of this array
};

extern "C" __global__ void adam(Arrays arrays, const T* lr_now, // (1) or none
                                const int* t_now, // (1) or none
                                T lr, int t, T scale, T beta1, T beta2, T eps, T decay) {
  int which = 0;
  while ((int)blockIdx.x >= arrays.end[which]) ++which;
  const int block = blockIdx.x - (which ? arrays.end[which - 1] : 0), i = block * blockDim.x + threadIdx.x;
  if (i >= arrays.size[which]) return;
  T *const theta = (T*)arrays.theta[which], *const m = (T*)arrays.m[which], *const v = (T*)arrays.v[which];
  lr = lr_now ? *lr_now : lr;
  t = t_now ? *t_now : t;
  const T g = scale * ((const T*)arrays.g[which])[i];
  const T m_new = beta1 * m[i] + (1 - beta1) * g, v_new = beta2 * v[i] + (1 - beta2) * g * g;
  const T m_hat = m_new / -expm1(t * log(beta1)), v_hat = v_new / -expm1(t * log(beta2));  // 1 - beta^t, exactly
  m[i] = m_new, v[i] = v_new;
  theta[i] = (1 - lr * decay) * theta[i] - lr * m_hat / (sqrt(v_hat) + eps);
}
