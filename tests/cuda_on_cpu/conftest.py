"""Fixtures that run CUDA kernels on the CPU: see cuda_on_cpu.h and glue.py."""
import runpy
from pathlib import Path

import pytest

from autograd import backend
from autograd.gpu import launch

GLUE = runpy.run_path(str(Path(__file__).with_name("glue.py")))


@pytest.fixture(params=["ascending", "descending"])
def order(request):
    """The order in which the threads of a block run."""
    return request.param


@pytest.fixture
def on_cpu(monkeypatch, order):
    """Kernels run on the CPU, on NumPy arrays, with the threads of a block in this order."""
    if GLUE["reason"]:
        pytest.skip(f"running CUDA on the CPU {GLUE['reason']}")
    if backend.device() != "cpu":
        pytest.skip("MINIGEN_DEVICE=cuda")

    def compile_source(source, options):
        return GLUE["compile_source"](source, options, reverse=order == "descending")

    monkeypatch.setattr(launch, "compile_source", compile_source)
    launch.load.cache_clear()
    yield
    launch.load.cache_clear()
