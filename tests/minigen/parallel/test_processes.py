"""Workers that are processes: what they add up, and how all end when one does."""
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from autograd import backend
from minigen import checkpoint, data
from minigen.journal import CHECKPOINT
from minigen.train import Run, train

HERE = Path(__file__).resolve().parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE.parents[2])}
TINY = HERE.parent / "tiny_cli.py"
KILL = runpy.run_path(str(HERE / "kill.py"))
pytestmark = [pytest.mark.cpu, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc and /dev/shm")]


def engine(*args):
    return subprocess.run([sys.executable, str(HERE / "engine.py"), *args], env=ENVIRONMENT, text=True,
                          capture_output=True, timeout=60)


@pytest.mark.parametrize("method, size", [("spawn", "2"), ("fork", "3")])
def test_sums_of_arrays_of_any_size_in_the_order_of_ranks(method, size):
    result = engine(method, size)
    assert (result.stdout, result.stderr) == ("sums are right\n", "")


@pytest.mark.parametrize("end, said", [("raise", "worker 2: ValueError: this one is wrong"),
                                       ("hang", "worker 2 of 3 was killed (SIGKILL), perhaps for want of memory")])
def test_the_end_of_one_is_named_and_ends_all(end, said):
    memory = len(os.listdir("/dev/shm"))
    result = engine("fork", "3", end)
    assert result.stdout.splitlines()[-1] == f"{said} | in time: True | left: {memory}" and result.stderr == ""


# The command line


def start(folder, workers, *more, **environment):
    command = [sys.executable, str(TINY), "train", "tiny", "--steps", "60", "--workers", str(workers), "--out",
               str(folder), *more]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env={**ENVIRONMENT, "TINY_EVALUATE": "no", "TINY_SAVE": "0", "TINY_DRAW": "1000", **environment})


def reached(folder):
    path = folder / CHECKPOINT
    return checkpoint.load(path)[1]["step"] if path.exists() else 0


def wait_for_step(folder, step, run):
    end = time.monotonic() + 60
    while reached(folder) < step:
        assert run.poll() is None and time.monotonic() < end, run.stderr.read()
        time.sleep(0.05)


def test_killed_stopped_and_gone_on_with_by_other_numbers_it_is_the_run_of_one(tmp_path):
    """Of two workers number 1 is killed; of three worker 0; two are stopped by Ctrl-C; one ends it."""
    out, memory = tmp_path / "run", set(os.listdir("/dev/shm"))
    run = start(out, 2, TINY_SLEEP="0.03")
    wait_for_step(out, 5, run)
    seconds, err, left = KILL["kill"](run, 1)
    assert err.count("\n") == 1 and err.startswith("minigen: worker 1 of 2 was killed (SIGKILL)") and seconds < 10
    assert f"'{out / CHECKPOINT}' holds step {reached(out)}" in err and not left and run.returncode == 2

    run = start(out, 3, "--resume", TINY_SLEEP="0.03")
    wait_for_step(out, reached(out) + 5, run)
    seconds, err, left = KILL["kill"](run, 0)
    assert err == ("minigen: worker 0 was killed, and the others end; the last checkpoint is whole: go on with --resume\n")
    assert not left and seconds < 10

    run = start(out, 2, "--resume", TINY_SLEEP="0.03")
    before = reached(out)
    wait_for_step(out, before + 5, run)
    for pid in (run.pid, *KILL["descendants"](run.pid)[0]):  # as a terminal does
        os.kill(pid, signal.SIGINT)
    shown, err = run.communicate(timeout=60)
    assert run.returncode == 130 and err == "" and f"stopped by SIGINT: '{out / CHECKPOINT}' holds step" in shown

    run = start(out, 1, "--resume")
    shown, err = run.communicate(timeout=60)
    assert run.returncode == 0 and err == "" and reached(out) == 60
    assert set(os.listdir("/dev/shm")) <= memory

    rng, digits = backend.rng(0), data.load("digits")
    whole = Run(runpy.run_path(str(TINY))["tiny"].plan(digits, rng), digits, rng=rng, steps=60)
    train(whole)
    tensors = checkpoint.load(out / CHECKPOINT)[0]
    for name, array in whole.model.state_dict().items():
        np.testing.assert_allclose(tensors[f"model.{name}"], array, atol=1e-5, err_msg=name)
