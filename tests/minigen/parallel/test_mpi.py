"""Workers that MPI starts: mpiexec -n 2 makes the weights that --workers 2 makes. To have it here: pip install mpi4py
mpich, which brings mpiexec with it."""
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minigen import checkpoint
from minigen.journal import CHECKPOINT

TINY = Path(__file__).resolve().parents[1] / "tiny_cli.py"
MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(TINY.parents[2]), "TINY_EVALUATE": "no"}
needs_mpi = pytest.mark.skipif(not MPIEXEC or not importlib.util.find_spec("mpi4py"),
                               reason="needs mpi4py and mpiexec: pip install mpi4py mpich")


def call(*command, **environment):
    return subprocess.run([str(part) for part in command], env={**ENVIRONMENT, **environment}, text=True,
                          capture_output=True, timeout=120)


@needs_mpi
def test_two_ranks_make_the_weights_of_two_workers(tmp_path):
    train = [sys.executable, TINY, "train", "tiny", "--steps", "20", "--out"]
    ranks = call(MPIEXEC, "-n", 2, *train, tmp_path / "mpi")
    workers = call(*train, tmp_path / "workers", "--workers", 2)
    assert (ranks.returncode, workers.returncode) == (0, 0), ranks.stderr + workers.stderr
    assert ranks.stdout.count("20 steps in") == 1  # worker 0 alone speaks
    found, expected = (checkpoint.load(tmp_path / name / CHECKPOINT)[0] for name in ("mpi", "workers"))
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-6, atol=1e-7, err_msg=name)


@needs_mpi
def test_an_exception_in_one_rank_ends_all():
    result = call(MPIEXEC, "-n", 2, sys.executable, "-c", "from minigen.parallel.mpi import mpi\n"
                  "with mpi() as world:\n  if world.rank: raise ValueError('this one is wrong')\n  world.broadcast(1)\n"
                  "  world.gather(0)")
    assert result.returncode != 0 and "minigen: worker 1: this one is wrong" in result.stderr


def test_without_mpi4py_it_says_what_to_install():
    result = call(sys.executable, "-c", "import sys; sys.modules['mpi4py'] = None; import minigen.cli; "
                  "sys.exit(minigen.cli.main(['train', 'vae']))", PMI_SIZE="2")
    assert result.returncode == 2 and result.stderr.count("\n") == 1 and 'pip install "minigen[mpi]"' in result.stderr
