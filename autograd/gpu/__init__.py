"""CUDA kernels, a subject per .cu file, and beside each the Python that lays out its work: see docs/kernels.md."""
from . import adam, convolution, diffusion, gemm, norm, silu, softmax
from .launch import REALS, Kernels, load
