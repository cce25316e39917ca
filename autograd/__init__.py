"""A small reverse-mode autograd over NumPy and CuPy. Start reading at tensor.py."""
from .activations import elu, gelu, leaky_relu, relu, sigmoid, silu, softplus
from .anomaly import AnomalyError, detect_anomaly
from .attention import scaled_dot_product_attention
from .conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d, fold, unfold
from .functional import (binary_cross_entropy_with_logits, cosine_similarity, cross_entropy, dropout, embedding,
                         huber_loss, kl_div, l1_loss, mse_loss, normalize, one_hot)
from .gradcheck import GradcheckError, gradcheck, gradgradcheck
from .linalg import cholesky, det, einsum, inv, outer, slogdet, solve, trace
from .mode import no_grad, recording
from .norm import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from .ops import (abs, arctan, clip, cos, div, erf, exp, expm1, floor, lgamma, linear, log, log1p, log2, log10, matmul,
                  maximum, minimum, mul, neg, polygamma, power, round, sign, sin, sqrt, square, sub, tanh, where)
from .reduce import (argmax, cumprod, cumsum, log_softmax, logaddexp, logsumexp, max, mean, min, prod, softmax, sort, std,
                     sum, topk, var, vector_norm)
from .resample import (adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool1d, avg_pool2d, interpolate, max_pool1d,
                       max_pool2d, max_unpool2d, pixel_shuffle, pixel_unshuffle)
from .shape import (concatenate, diagonal, expand_dims, flatten, flip, getitem, moveaxis, pad, repeat, reshape, roll,
                    scatter_add, split, squeeze, stack, swapaxes, take_along_axis, tile, transpose, tril, triu)
from .sweep import add, astype, broadcast_to, grad, sum_to
from .tensor import Tensor, as_tensor, joint, parameter, record
