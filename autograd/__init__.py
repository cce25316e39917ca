"""A small reverse-mode autograd over NumPy and CuPy. Start reading at tensor.py."""
from .anomaly import AnomalyError, detect_anomaly
from .attention import scaled_dot_product_attention
from .conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d, fold, unfold
from .functional import binary_cross_entropy_with_logits, cross_entropy, dropout, embedding, mse_loss, one_hot
from .gradcheck import GradcheckError, gradcheck, gradgradcheck
from .linalg import det, einsum, inv, slogdet
from .norm import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from .ops import (abs, clip, cos, div, elu, erf, exp, expm1, gelu, leaky_relu, lgamma, linear, log, log1p, matmul,
                  maximum, minimum, mul, neg, polygamma, power, relu, sigmoid, silu, sin, softplus, sqrt, square, sub,
                  tanh, where)
from .reduce import argmax, cumsum, log_softmax, logsumexp, max, mean, min, prod, softmax, std, sum, var
from .resample import (adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool1d, avg_pool2d, interpolate, max_pool1d,
                       max_pool2d, max_unpool2d, pixel_shuffle, pixel_unshuffle)
from .shape import (concatenate, diagonal, expand_dims, flatten, flip, getitem, moveaxis, pad, reshape, roll,
                    scatter_add, split, squeeze, stack, swapaxes, take_along_axis, transpose, tril, triu)
from .tensor import (Tensor, add, as_tensor, astype, broadcast_to, grad, no_grad, parameter, record, recording,
                     sum_to)
