"""CuPy itself, without a GPU: every check that needs CuPy's own rules, on any Linux machine with g++ and a network.

    python tests/cupy_on_cpu/build.py FOLDER [PACKAGE ...]      # once, some minutes; PACKAGEs such as PyTorch come too
    FOLDER/run python -m minigen check                          # the table of gradient checks, on both devices
    FOLDER/run python -m pytest -m gpu tests/gpu                # seven minutes
    MINIGEN_DEVICE=cuda FOLDER/run python -m pytest tests/autograd

tests/cuda_on_cpu runs our kernels on NumPy arrays. Here CuPy runs as it is, its own kernels included: what it refuses
to mix, what it lacks, which layout its results have, how its streams, graphs and memory pools behave. What is put in
its place lies below it:

    cuda.cpp        the CUDA driver, its runtime and NVRTC. The runtime is inside one of CuPy's modules, runtime.pyx,
                    which is therefore built anew from CuPy's source, with our functions
    compile.py      makes of every kernel's source a shared library (kernel.h, ../cuda_on_cpu/cuda_on_cpu.h)
    cublas.cpp      cuBLAS by loops
    cusolver.py     two modules of CuPy's that rest on larger libraries; singular values are NumPy's
    thrust.py

It says nothing of speed, and of CuPy only what is true of VERSION. Not part of CI. To count launches, see
launch_hook in cuda.cpp.
"""
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

HERE, ROOT = Path(__file__).resolve().parent, Path(__file__).resolve().parents[2]
VERSION = "14.2.0"
LIBRARIES = {"libcuda.so": ("libcuda.so.1", "libcudart.so.13", "libnvrtc.so.13"),
             "libcublas.so": ("libcublas.so.13", "libcublasLt.so.13")}
CYTHONIZE = """
from Cython.Build import cythonize
from setuptools import Extension
cythonize(
    [Extension("cupy_backends.cuda.api.runtime", ["cupy_backends/cuda/api/runtime.pyx"], language="c++")],
    language_level=3,
    compiler_directives=dict(embedsignature=True, c_api_binop_methods=True, binding=False),
    compile_time_env=dict(CUPY_USE_CUDA_PYTHON=False, CUPY_CUFFT_STATIC=False, CUPY_CUDA_VERSION=13000,
                          CUPY_HIP_VERSION=0, CUPY_CYTHON_VERSION="3"))
"""
SVD = """

def svd(a, full_matrices=True, compute_uv=True):  # cupy_on_cpu
    found = numpy.linalg.svd(a.get(), full_matrices, compute_uv)
    return tuple(map(cupy.asarray, found)) if compute_uv else cupy.asarray(found)
"""
RUN = """#!/usr/bin/env bash
# Runs a command with CuPy on the CPU: tests/cupy_on_cpu/build.py.
export PATH="{folder}/venv/bin:$PATH" LD_LIBRARY_PATH="{folder}/libraries" PYTHONPATH="{root}"
export CUPY_ACCELERATORS=  # else sums are CUB's, for which there is no source to compile here
export CUPY_CACHE_DIR="{folder}/cache" CUPY_ON_CPU_COMPILE="'{folder}/venv/bin/python' '{here}/compile.py'"
export CUPY_ON_CPU_HEADERS="{headers}" CUPY_ON_CPU_LIBRARIES="{folder}/kernels"
export OPENBLAS_NUM_THREADS="${{OPENBLAS_NUM_THREADS:-1}}"
exec "$@"
"""


def main(folder, packages):
    for name in ("libraries", "kernels", "source"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        run(sys.executable, "-m", "venv", folder / "venv")
    pip = python, "-m", "pip"
    run(*pip, "install", "-q", f"cupy-cuda13x=={VERSION}", "nvidia-cuda-runtime==13.*", "nvidia-cuda-crt==13.*",
        "nvidia-cuda-cccl==13.*", "cython>=3.2,<3.3", "setuptools", f"{ROOT}[test]", *packages)
    run(*pip, "uninstall", "-q", "-y", "minigen")  # what is tested is the checkout
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").strip())
    headers = site / "nvidia" / "cu13" / "include"
    build_libraries(folder, site, headers)
    build_runtime(folder, site, headers, python, pip)
    replace_modules(site)
    path = folder / "run"
    path.write_text(RUN.format(folder=folder, root=ROOT, here=HERE, headers=headers))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    print(run(path, python, "-c", "import cupy; print('CuPy', cupy.__version__, cupy.arange(4.0).sum())").strip())


def build_libraries(folder, site, headers):
    """The shared libraries under the names that CuPy asks for."""
    at = folder / "libraries"
    compile_("-O2", f"-I{headers}", HERE / "cuda.cpp", "-o", at / "libcuda.so", "-ldl", "-Wl,-soname,libcuda.so.1")
    (folder / "source" / "stubs.h").write_text("")
    cublas = ("-O2", f"-I{headers}", f"-I{folder / 'source'}", HERE / "cublas.cpp", "-o", at / "libcublas.so")
    compile_(*cublas)
    ours = names_of("--defined-only", at / "libcublas.so")
    theirs = names_of("--undefined-only", next((site / "cupy_backends/cuda/libs").glob("cublas.*.so")))
    missing = sorted(name for name in theirs - ours if name.startswith("cublas"))
    (folder / "source" / "stubs.h").write_text("".join(f"NONE({name})\n" for name in missing))
    (folder / "source" / "versions").write_text("libcublas.so.13 { global: *; };\n")
    compile_(*cublas, "-Wl,-soname,libcublas.so.13", f"-Wl,--version-script={folder / 'source' / 'versions'}")
    for library, names in LIBRARIES.items():
        for name in names:
            (at / name).unlink(missing_ok=True)
            (at / name).symlink_to(library)


def build_runtime(folder, site, headers, python, pip):
    """CuPy's module of the CUDA runtime, with the functions of cuda.cpp."""
    source = folder / "source" / f"cupy-{VERSION}"
    if not source.exists():
        run(*pip, "download", "-q", "--no-deps", "--no-binary", "cupy", "-d", source.parent, f"cupy=={VERSION}",
            environment={"CUPY_INSTALL_USE_STUB": "1"})
        with tarfile.open(source.with_name(f"cupy-{VERSION}.tar.gz")) as archive:
            archive.extractall(source.parent)
    (folder / "source" / "cuda_profiler_api.h").write_text('extern "C" int cudaProfilerStart(), cudaProfilerStop();\n')
    run(python, "-c", CYTHONIZE, cwd=source)
    include = run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['include'])").strip()
    module = next((site / "cupy_backends/cuda/api").glob("runtime.*.so"))
    compile_("-O1", f"-I{headers}", f"-I{include}", f"-I{folder / 'source'}", "-Icupy_backends",
             "cupy_backends/cuda/api/runtime.cpp", "-o", module, f"-L{folder / 'libraries'}", "-l:libcuda.so.1",
             cwd=source)


def replace_modules(site):
    """cusolver, thrust and the singular value decomposition."""
    for name, place in (("cusolver", site / "cupy_backends/cuda/libs"), ("thrust", site / "cupy/cuda")):
        for module in place.glob(f"{name}.*.so"):
            module.unlink()
        (place / f"{name}.py").write_text((HERE / f"{name}.py").read_text())
    libs = site / "cupy_backends/cuda/libs/__init__.py"  # cusolver no longer asks for its library first
    libs.write_text(libs.read_text().replace("    'cublas', 'cusolver', ", "    'cublas', ").replace(
        "    'nvrtc', 'nvtx'\n", "    'nvrtc', 'nvtx', 'cusolver'\n"))
    decomposition = site / "cupy/linalg/_decomposition.py"
    if "cupy_on_cpu" not in decomposition.read_text():
        decomposition.write_text(decomposition.read_text() + SVD)


def compile_(*arguments, cwd=None):
    run("g++", "-w", "-shared", "-fPIC", "-std=c++17", *arguments, cwd=cwd)


def names_of(which, library):
    lines = run("nm", "-D", which, library).splitlines()
    return {line.split()[-1].split("@")[0] for line in lines}


def run(*command, cwd=None, environment=()):
    """What the command prints; what it says on stderr passes through."""
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **dict(environment)}, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"build.py: failed: {' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
