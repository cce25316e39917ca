"""python tests/minigen/parallel/kill.py [TIMES]: kills a worker of a training at a random moment, so many times, and says
what was left. Exits with 1 if a run went on for more than 10 seconds, did not name who was killed in one line, left a
process or shared memory, or spoiled its checkpoint. The runs resume one another, each with another number of workers."""
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from minigen import checkpoint

PATIENT = 10  # seconds


def start(folder, workers, steps=100_000, **options):
    """A training in `folder`, begun or gone on with."""
    resume = ["--resume"] if (folder / "checkpoint.safetensors").exists() else []
    command = [sys.executable, "-m", "minigen", "train", "gan", "--steps", str(steps), "--workers", str(workers), "--out",
               str(folder), *resume]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def descendants(pid):
    """Process ids of workers 1, 2, ... of this process, and of what else it has started."""
    found = [Path("/proc", name) for name in os.listdir("/proc") if name.isdigit()]
    children = []
    for process in found:
        try:
            if int((process / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                children.append((int(process.name), (process / "cmdline").read_text()))
        except OSError:  # it has ended meanwhile
            pass
    workers = sorted(child for child, command in children if "spawn_main" in command)
    return workers, [child for child, _ in children]


def alive(pid):
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_workers(run, count, most=60):
    end = time.monotonic() + most
    while len(descendants(run.pid)[0]) < count - 1:
        assert run.poll() is None and time.monotonic() < end, run.stderr.read()
        time.sleep(0.02)


def kill(run, rank):
    """Kills worker `rank`. Returns (seconds until all have ended, what was said on stderr, who is still there)."""
    workers, all_of_them = descendants(run.pid)
    began = time.monotonic()
    os.kill([run.pid, *workers][rank], signal.SIGKILL)
    err = run.communicate(timeout=60)[1]
    while any(map(alive, all_of_them)) and time.monotonic() < began + PATIENT:
        time.sleep(0.01)
    return time.monotonic() - began, err, [pid for pid in all_of_them if alive(pid)]


def main(times):
    draw, wrong = random.Random(int(os.environ.get("SEED", "0"))), 0
    with tempfile.TemporaryDirectory() as folder:
        out, memory = Path(folder) / "gan", set(os.listdir("/dev/shm"))
        for number in range(times):
            size = draw.choice([2, 3])
            rank, after = draw.randrange(size), draw.uniform(0, 8)
            run = start(out, size)
            wait_for_workers(run, size)
            time.sleep(after)
            seconds, err, left = kill(run, rank)
            held = "no checkpoint yet"
            if (out / "checkpoint.safetensors").exists():
                held = f"step {checkpoint.load(out / 'checkpoint.safetensors')[1]['step']} held"  # or an error, if damaged
            named = err.count("\n") == 1 and f"worker {rank}" in err
            good = seconds < PATIENT and named and not left and set(os.listdir("/dev/shm")) <= memory
            wrong += not good
            print(f"{number + 1:2}: worker {rank} of {size} killed after {after:.1f} s, all ended in {seconds:.2f} s, {held}"
                  f"{'' if good else f'  <-- left {left}'}\n    {err.strip()}", flush=True)
    print(f"{times - wrong} of {times} as it should be")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
