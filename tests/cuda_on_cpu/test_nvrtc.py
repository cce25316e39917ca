"""Every kernel with every set of macros is compiled for the GPUs it is meant for, by NVIDIA's compiler."""
import os
import runpy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from autograd.gpu import adam, convolution, launch, tiles

NVRTC = runpy.run_path(str(Path(__file__).with_name("nvrtc.py")))
pytestmark = pytest.mark.skipif(NVRTC["library"]() is None, reason='needs NVRTC: pip install ".[nvrtc]"')
ARCHITECTURES = ["sm_80", "sm_90", "sm_90a"]  # A100; H100 and H200; the same with the instructions that only they have
LIKE_CUPY = ("-ftz=true", "--device-as-default-execution-space")  # what CuPy adds to the options


def macro_sets():
    """(file, dtype, macros): all that the Python beside the kernels can ask for."""
    for tile in tiles.TILES:
        for dtype, vec in [(np.float32, 4), (np.float32, 1), (np.float64, 2), (np.float64, 1)]:
            for tensor_cores in (0, 1) if dtype == np.float32 else (0,):
                macros = dict(tile._asdict(), VEC=vec, TENSOR_CORES=tensor_cores)
                yield "conv.cu", dtype, dict(macros, TILE=16)
                for a in (0, 1):
                    for b in (0, 1):
                        yield "gemm.cu", dtype, dict(macros, A_K_FAST=a, B_K_FAST=b)
    for dtype in (np.float32, np.float64):
        yield "conv.cu", dtype, convolution._UNUSED
        yield "adam.cu", dtype, dict(MOST=adam.MOST, BLOCK=adam.BLOCK)
        for file in ("diffusion.cu", "norm.cu", "silu.cu", "softmax.cu"):
            yield file, dtype, {}


SETS = list(macro_sets())
FEW = [s for s in SETS if not s[2] or "MOST" in s[2] or s[2].get("BM") == 64 and s[2]["BN"] == 64 and s[2]["VEC"] > 1]


def compile_for(architecture, file, dtype, macros):
    module = launch.load(file, dtype, **macros)
    code = NVRTC["compile_cubin"](module.source, (*module.options, f"-arch={architecture}", *LIKE_CUPY))
    for kernel in module.kernels:
        assert kernel.encode() in code


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_kernels_compile(architecture):
    compile_all(architecture, FEW)


@pytest.mark.slow
def test_every_macro_set_compiles():
    """For one architecture: a choice of macros that compiles for one does for the others."""
    compile_all("sm_90", [s for s in SETS if s not in FEW])


def compile_all(architecture, sets):
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda s: compile_for(architecture, *s), sets))


def test_errors_are_seen():
    with pytest.raises(RuntimeError, match="NVRTC: .*identifier \"nothing\" is undefined"):
        NVRTC["compile_cubin"]("__global__ void f(float* x) { *x = nothing; }", ("-arch=sm_90",))
    with pytest.raises(RuntimeError, match="never referenced"):
        NVRTC["compile_cubin"]("__global__ void f(float* x) { int unused; }", ("-arch=sm_90",))


def test_every_file_is_compiled():
    assert {s[0] for s in SETS} == {path.name for path in launch.FOLDER.glob("*.cu")}
