"""CUDA kernels, a subject per .cu file, and beside each the Python that lays out its work: see docs/kernels.md."""
from . import convolution, diffusion
from .launch import Module, load
