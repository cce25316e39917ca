"""Workers that are processes of one machine, and add up what they have in memory that they share.

Worker 0 is the process that starts the others, and has a pipe to each. A sum of few numbers goes through the pipes,
there and back. A long one goes through the shared memory, a slot for each worker and one for the sum, G bytes each:

    each worker copies its arrays into its slot     G written              | all wait for all
    each adds up its part of all slots              G read, G/size written | all wait for all
    each reads the sum where it is                  G read

A pipe whose other end has died is closed by the system: who waits for a worker that was killed is told at once,
without a clock. Worker 0 is told so even while it waits for nothing, as when it draws pictures: a thread watches the
others, and sends the program a signal.

What is left behind when a worker dies: nothing. Worker 0 ends the others; each of these watches worker 0, and ends
with it. The memory is a file without a name, which the system takes back when the last of them has ended: one with a
name, as multiprocessing.shared_memory has it, stays when all are killed. Works with the start methods spawn and fork,
on systems that can hand open files to a child: not on Windows. Read before this: world.py. Read next: ../workers.py.
"""
import contextlib
import mmap
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
from multiprocessing import reduction
from multiprocessing.connection import wait

import numpy as np

from autograd.cpu.threads import one_thread

from .world import WorkerLost, World

ROOM = 1 << 20  # bytes of a slot, at first; it is made larger by multiples of this
SMALL = 1 << 14  # bytes that go through the pipes, in which they have room
PATIENCE = 5  # seconds for a worker that is done to end by itself
GOOD, FAILED = b"+", b"!"  # the last byte of a message: what it is


class Processes(World):
    """One of `size` processes. pipes: to the others, of worker 0; to worker 0, of the others."""

    def __init__(self, size, rank, pipes, memory):
        self.size, self.rank, self.pipes = size, rank, pipes
        self.memory, self.processes, self.ending = memory, [], False
        self.slots = memory.slots(size + 1, ROOM)

    # Sums

    def add_flat(self, parts, lasting=True):
        length, dtype = sum(map(len, parts)), parts[0].dtype
        if length * dtype.itemsize <= SMALL:
            return self._through_pipes(np.concatenate(parts))
        self._make_room(length * dtype.itemsize)
        slots = self.slots.view(dtype)[:, :length]
        np.concatenate(parts, out=slots[self.rank])
        self._meet(length)
        *of_workers, total = slots[:, self.rows(length)]
        np.add(of_workers[0], of_workers[1], out=total)
        for each in of_workers[2:]:
            total += each
        self._meet()  # nobody writes there again before all have come to the next sum
        return slots[-1].copy() if lasting else slots[-1]

    def _make_room(self, size):
        if size > self.slots.shape[1]:
            self._meet(size)
            self.slots = self.memory.slots(self.size + 1, -(-size // ROOM) * ROOM)
            self._meet()

    def _through_pipes(self, array):
        if self.rank:
            self._send(0, array.tobytes())
            return np.frombuffer(self._receive(0), array.dtype)
        total = array.copy()
        for rank in range(1, self.size):
            total += np.frombuffer(self._receive(rank), array.dtype)
        self._send_all(total.tobytes())
        return total

    def _meet(self, about=0):
        """Goes on when all are here. RuntimeError if they are here about different things."""
        word = about.to_bytes(8, "little")
        if self.rank:
            self._send(0, word)
            self._receive(0)
            return
        if any([self._receive(rank) != word for rank in range(1, self.size)]):
            raise RuntimeError(f"the workers' runs have parted: worker 0 adds up {about} bytes, and others do not")
        self._send_all(b"")

    # Anything else

    def broadcast(self, value=None):
        if self.rank:
            return pickle.loads(self._receive(0))
        self._send_all(pickle.dumps(value))
        return value

    def gather(self, value):
        if self.rank:
            self._send(0, pickle.dumps(value))
            return []
        return [value, *(pickle.loads(self._receive(rank)) for rank in range(1, self.size))]

    # Messages

    def _send_all(self, message):
        for rank in range(1, self.size):
            self._send(rank, message)

    def _send(self, rank, message):
        try:
            self._pipe(rank).send_bytes(message + GOOD)
        except OSError:
            self._lost(rank)

    def _receive(self, rank):
        try:
            message = self._pipe(rank).recv_bytes()
        except (EOFError, OSError):
            self._lost(rank)
        if message[-1:] == FAILED:
            raise WorkerLost(message[:-1].decode())
        return message[:-1]

    def _pipe(self, rank):
        return self.pipes[rank - 1] if self.rank == 0 else self.pipes[0]

    def _lost(self, rank):
        """Worker `rank` is gone, but for a last message that it may have left. Worker 0 says so; others only end."""
        if self.rank:
            time.sleep(PATIENCE)  # meanwhile worker 0 ends this process, or _end_with_worker_0 finds it dead
            os._exit(1)
        self.ending = True
        with contextlib.suppress(EOFError, OSError):
            while True:
                message = self._pipe(rank).recv_bytes()
                if message[-1:] == FAILED:
                    raise WorkerLost(message[:-1].decode())
        process = self.processes[rank - 1]
        process.join(PATIENCE)
        code = process.exitcode
        how = (f"was killed ({signal.Signals(-code).name})" + ", perhaps for want of memory" * (code == -signal.SIGKILL)
               if code and code < 0 else f"ended with status {code}")
        raise WorkerLost(f"worker {rank} of {self.size} {how}")


class Memory:
    """Memory that processes have in common which it is handed to as they start."""

    def __init__(self, handed=None):
        if handed:
            self.file = os.fdopen(handed.detach(), "r+b", buffering=0)
        elif hasattr(os, "memfd_create"):
            self.file = os.fdopen(os.memfd_create("minigen"), "r+b", buffering=0)
        else:
            self.file = tempfile.TemporaryFile(buffering=0)

    def slots(self, count, room):
        """So many rows of so many bytes, in all processes that ask for so many the same: an array (count, room)."""
        size = count * room
        if os.fstat(self.file.fileno()).st_size < size:  # it is never made shorter, so whoever comes last does no harm
            self.file.truncate(size)
        return np.frombuffer(mmap.mmap(self.file.fileno(), size), np.uint8).reshape(count, room)

    def __reduce__(self):
        return Memory, (reduction.DupFd(self.file.fileno()),)


@contextlib.contextmanager
def processes(size, work, *arguments, method="spawn"):
    """Context in which `size` workers are at work: this process, worker 0, whose World it gives, and others, which
    begin with work(world, *arguments) and are expected to be done when the context is left.

    An exception in it ends the others at once. If one of these ends before, WorkerLost is raised in worker 0.
    """
    context = multiprocessing.get_context(method)
    if os.name != "posix":
        raise OSError("--workers needs a system that hands open files to a process as it starts, which this is not")
    memory = Memory()
    world = Processes(size, 0, [], memory)
    try:
        for rank in range(1, size):
            here, there = context.Pipe()
            world.pipes.append(here)
            ends = world.pipes if method == "fork" else []  # copies of these must be closed, or no pipe ever ends
            process = context.Process(target=_begin, name=f"minigen worker {rank}", daemon=True,
                                      args=(size, rank, there, memory, ends, work, arguments))
            with _interrupts_ignored():  # a child does as its parent did: Ctrl-C is worker 0's to answer
                process.start()
            world.processes.append(process)
            there.close()
        with one_thread(), _told_of_deaths(world):
            yield world
        for process in world.processes:
            process.join(PATIENCE)
    finally:
        world.ending = True
        for process in world.processes:
            process.kill()
            process.join()
        for pipe in world.pipes:
            pipe.close()


def _begin(size, rank, pipe, memory, ends, work, arguments):
    """All of a process that is not worker 0."""
    for end in ends:
        end.close()
    threading.Thread(target=_end_with_worker_0, args=(rank,), daemon=True).start()
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # worker 0 speaks
    try:
        with one_thread():
            work(Processes(size, rank, [pipe], memory), *arguments)
    except BaseException as error:
        text = str(error) if f"worker {rank}" in str(error) else f"worker {rank}: {type(error).__name__}: {error}"
        pipe.send_bytes(text.encode() + FAILED)
        raise SystemExit(1) from None


def _end_with_worker_0(rank):
    wait([multiprocessing.parent_process().sentinel])
    if rank == 1:
        print("minigen: worker 0 was killed, and the others end; the last checkpoint is whole: go on with --resume",
              file=sys.stderr, flush=True)
    os._exit(1)


@contextlib.contextmanager
def _told_of_deaths(world):
    """Context in which worker 0 raises WorkerLost, whatever it does, when another has ended that should not have."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def look(number, frame):
        for rank, process in enumerate(world.processes, 1):
            if not world.ending and wait([process.sentinel], 0):
                process.join(PATIENCE)
                if process.exitcode:
                    world._lost(rank)

    def watch(sentinels):
        while sentinels and not world.ending:
            ended = wait(sentinels)
            sentinels = [each for each in sentinels if each not in ended]
            if not world.ending:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    signal.signal(signal.SIGUSR1, look)  # and for good: a signal may come late, when there is nothing to say any more
    threading.Thread(target=watch, args=([process.sentinel for process in world.processes],), daemon=True).start()
    try:
        yield
    finally:
        world.ending = True


@contextlib.contextmanager
def _interrupts_ignored():
    if threading.current_thread() is not threading.main_thread():  # no other may say so
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
