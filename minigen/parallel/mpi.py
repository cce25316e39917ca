"""Workers that MPI has started, on one machine or on many: mpiexec -n 8 minigen train ddpm.

Sums, messages and the end of all when one dies are the MPI library's. Read before this: world.py.
"""
import contextlib
import importlib
import os
import sys

import numpy as np

from autograd.cpu.threads import one_thread

from .world import World

# What mpiexec and its like tell a process that they start: Open MPI; MPICH, Intel MPI and others with PMI
SIZES = "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"


def started_by_mpi() -> bool:
    """Whether this process is one of several that MPI started."""
    return any(os.environ.get(name, "1") != "1" for name in SIZES)


class MPI(World):
    """All processes of MPI's COMM_WORLD."""

    def __init__(self):
        try:
            self.mpi = importlib.import_module("mpi4py.MPI")
        except ImportError as error:
            raise RuntimeError(f"mpiexec has started this program, and mpi4py cannot be imported ({error}). Install "
                               'it: pip install "minigen[mpi]"; or use --workers without mpiexec') from error
        except RuntimeError as error:  # mpi4py is there, and no MPI library
            raise RuntimeError(f"mpi4py finds no MPI library ({error}); install one, e.g. pip install mpich") from error
        self.comm = self.mpi.COMM_WORLD
        self.size, self.rank = self.comm.Get_size(), self.comm.Get_rank()

    def add_flat(self, parts, lasting=True):
        total = np.concatenate(parts)
        self.comm.Allreduce(self.mpi.IN_PLACE, total)
        return total

    def broadcast(self, value=None):
        return self.comm.bcast(value)

    def gather(self, value):
        return self.comm.gather(value) or []


@contextlib.contextmanager
def mpi():
    """Context in which this process is a worker among those that MPI started. An exception ends them all."""
    world = MPI()
    try:
        with one_thread():
            yield world
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        said = " ".join(str(error).split()) or type(error).__name__
        where = "" if f"worker {world.rank}" in said else f"worker {world.rank}: "
        print(f"minigen: {where}{said}", file=sys.stderr, flush=True)
        world.comm.Abort(2)
