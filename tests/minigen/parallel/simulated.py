"""Workers as threads of one process: what they compute together, without the time that processes take to start."""
import contextvars
import sys
import threading

import numpy as np

from autograd import backend
from minigen.data import Space
from minigen.parallel.world import World


class Meeting:
    """Where `size` threads lay down values and each takes all of them."""

    def __init__(self, size):
        self.barrier, self.values = threading.Barrier(size, timeout=60), [None] * size

    def exchange(self, rank, value):
        self.values[rank] = value
        self.barrier.wait()
        values = list(self.values)
        self.barrier.wait()
        return values


class Simulated(World):
    def __init__(self, size, rank, meeting):
        self.size, self.rank, self.meeting, self.calls = size, rank, meeting, []

    def add_flat(self, parts, lasting=True):
        array = np.concatenate(parts)
        self.calls.append(array.nbytes)
        first, *others = self.meeting.exchange(self.rank, array)
        total = first.copy()
        for each in others:
            total += each
        return total

    def broadcast(self, value=None):
        return self.meeting.exchange(self.rank, value)[0]

    def gather(self, value):
        values = self.meeting.exchange(self.rank, value)
        return values if self.rank == 0 else []


def together(size, work, kind=Simulated):
    """[work(world) of each of size workers]. What one raises, this raises."""
    meeting, results, errors = Meeting(size), [None] * size, []

    def begin(rank):
        try:
            results[rank] = work(kind(size, rank, meeting))
        except BaseException as error:
            errors.append(error)
            meeting.barrier.abort()

    threads = [threading.Thread(target=contextvars.Context().run, args=(begin, rank)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return results


def in_float64(monkeypatch):
    """Weights, noise and images are float64 from here on."""
    real = np.dtype(np.float64)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("autograd", "minigen") and hasattr(module, "default_dtype"):
            monkeypatch.setattr(module, "default_dtype", real)
    for draw in (backend.normal, backend.uniform):
        monkeypatch.setattr(draw, "__defaults__", (real,))
    monkeypatch.setattr(Space, "unit", lambda space, x: np.float64(x) / ((space.levels or 2) - 1))
