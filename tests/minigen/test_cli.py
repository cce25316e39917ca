"""The command line, as a user meets it: what it prints and writes, every mistake in one line, and kills."""
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from autograd.backend import device
from minigen import checkpoint, cli, data, plot, recipes
from minigen.journal import CHECKPOINT

HERE = Path(__file__).resolve().parent
SCRIPT = [sys.executable, str(HERE / "tiny_cli.py")]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}


def call(*args, cwd, **environment):
    """Runs the command line in a process of its own, tiny recipes included."""
    return subprocess.run([*SCRIPT, *map(str, args)], cwd=cwd, env={**ENVIRONMENT, **environment},
                          text=True, capture_output=True, timeout=120)


@pytest.fixture
def minigen(tmp_path, monkeypatch, capsys):
    """The command line in this process, in an empty folder with a space in its name: (status, out, err)."""
    folder = tmp_path / "my models"
    folder.mkdir()
    monkeypatch.chdir(folder)
    plan = recipes.find("linear_ae").plan

    def tiny_plan(data, rng):
        tiny = plan(data, rng)
        tiny.stages[0].steps, tiny.stages[0].batch_size, tiny.stages[0].ema = 8, 50, (tiny.model, 0.9)
        return tiny

    tiny = recipes.Recipe("tiny", "tests", "a small linear autoencoder", "none", tiny_plan,
                          accepts=("digits", "mnist10k", "two_moons"))
    monkeypatch.setitem(recipes.registry._known, "tiny", tiny)
    monkeypatch.setattr("minigen.plot.curves", lambda series, path: checkpoint.write(path, b"curves"))

    def run(*args):
        try:
            status = cli.main([str(arg) for arg in args])
        except SystemExit as exit:
            status = exit.code
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


def step(folder):
    return checkpoint.load(Path(folder) / CHECKPOINT)[1]["step"]


# What it does


def test_list_names_every_recipe(minigen):
    status, out, err = minigen("list")
    assert status == 0 and err == ""
    shown = [line.split()[0] for line in out.splitlines()]
    assert shown == [word for family in dict.fromkeys(r.family for r in recipes.catalogue()) for word in
                     (f"{family}:", *(recipe.name for recipe in recipes.catalogue() if recipe.family == family))]


def test_train_sample_evaluate(minigen):
    status, out, err = minigen("train", "tiny")
    assert status == 0 and err == ""
    assert re.match(rf"tiny: \d+ parameters, seed 0, {device()}, into 'runs/tiny'\n", out)
    assert "digits train split, 1,000 images" in out
    assert re.search(r"one step takes \S+ ms here: 2 steps to go, about 1 s", out)
    assert re.search(r"evaluating on digits valid split, 350 images .*; ± is half a 95 % interval", out)
    assert re.search(r"\n  squared error.*  \d+\.\d+ ± 0\.\d+", out)
    assert sorted(os.listdir("runs/tiny")) == [CHECKPOINT, "curves.png", "figures.json", "samples.png"]
    assert imread("runs/tiny/samples.png").shape[:2] == (685, 685)
    figures = json.loads(Path("runs/tiny/figures.json").read_text())
    assert [figures[key] for key in ("recipe", "data", "split", "examples", "seed", "step")] == [
        "tiny", "digits", "valid", 350, 0, 8]
    assert figures["figures"][0]["name"].startswith("squared error")
    assert figures["figures"][0]["half_width"] > 0

    status, out, err = minigen("evaluate", "runs/tiny")
    assert status == 0 and "evaluating on digits test split, 447 images" in out
    assert json.loads(Path("runs/tiny/figures.json").read_text())["split"] == "test"
    status, out, err = minigen("evaluate", "runs/tiny", "--split", "valid")
    again = json.loads(Path("runs/tiny/figures.json").read_text())
    assert again == figures  # the trained model, its average and all, comes back from the checkpoint
    status, out, err = minigen("evaluate", "runs/tiny", "-n", "10")
    assert "evaluating on the first 10 of digits test" in out
    assert json.loads(Path("runs/tiny/figures.json").read_text())["examples"] == 10
    for n in 2, 99:  # too few for an interval, or for a classifier's features: null, never NaN
        assert minigen("evaluate", "runs/tiny", "-n", n)[0] == 0
        json.loads(Path("runs/tiny/figures.json").read_text(), parse_constant=pytest.fail)

    before = Path("runs/tiny/samples.png").read_bytes()
    assert minigen("sample", "runs/tiny")[:2] == (0, "wrote 'runs/tiny/samples.png'\n")
    assert Path("runs/tiny/samples.png").read_bytes() == before
    assert minigen("sample", "runs/tiny", "-n", 4, "--seed", 1, "--out", "four.png")[0] == 0
    assert imread("four.png").shape[:2] == (700, 700)  # 2 images of 320 pixels, and 3 gaps of 20


def test_samples_of_points(minigen):
    assert minigen("train", "tiny", "--data", "two_moons")[0] == 0
    assert minigen("sample", "runs/tiny", "-n", 10)[0] == 0
    assert imread("runs/tiny/samples.png").ndim == 3


def test_trained_twice_there_are_two_runs(minigen):
    minigen("train", "tiny")
    before = Path(f"runs/tiny/{CHECKPOINT}").read_bytes()
    status, out, _err = minigen("train", "tiny", "--seed", 1)
    assert status == 0 and "'runs/tiny' is taken: this run goes into 'runs/tiny-2'" in out
    assert Path(f"runs/tiny/{CHECKPOINT}").read_bytes() == before
    assert "runs/tiny-3" in minigen("train", "tiny")[1]
    Path("runs/tiny").rename("runs/tiny-2-backup")  # no run of `tiny`, by its name
    os.utime(f"runs/tiny-2-backup/{CHECKPOINT}", (time.time() + 20,) * 2)
    os.utime(f"runs/tiny-2/{CHECKPOINT}", (time.time() + 10,) * 2)
    assert "into 'runs/tiny-2'" in minigen("train", "tiny", "--resume", "--steps", 9)[1]  # the latest
    assert (step("runs/tiny-2-backup"), step("runs/tiny-2"), step("runs/tiny-3")) == (8, 9, 8)


def test_resume_remembers_what_it_was_asked(minigen):
    minigen("train", "tiny", "--data", "mnist10k", "--seed", 7, "--steps", 3, "--out", "here")
    status, out, _err = minigen("train", "tiny", "--resume", "--out", "here", "--steps", 5)
    assert status == 0 and "going on from step 3 of 5, learning rate 0.00345" in out and "mnist10k" in out and "seed 7" in out
    assert step("here") == 5
    assert minigen("train", "tiny", "--resume", "--out", "here")[0] == 0
    assert step("here") == 5  # it was finished: only the pictures and figures are made anew


def test_resume_of_a_run_killed_before_its_first_checkpoint(minigen):
    Path("here").mkdir()
    Path(f"here/.{CHECKPOINT}.unfinished").write_bytes(b"half a check")
    status, out, _err = minigen("train", "tiny", "--resume", "--out", "here")
    assert status == 0 and "'here' holds no checkpoint yet: starting from the beginning" in out
    assert sorted(os.listdir("here")) == [CHECKPOINT, "curves.png", "figures.json", "samples.png"]


def test_a_budget_alone_lifts_the_limit_of_steps(minigen):
    minigen("train", "tiny", "--out", "before")  # what a GPU has to compile is not part of the budget below
    assert minigen("train", "tiny", "--budget", "0.5s")[0] == 0
    assert step("runs/tiny") > 8
    minigen("train", "tiny", "--budget", "1h", "--steps", 10)
    assert step("runs/tiny-2") == 10


def test_help_and_no_command(minigen):
    assert minigen() == minigen("--help")
    for command in ("list", "train", "sample", "evaluate", "check"):
        assert f"\n    {command} " in minigen()[1]
    for option in ("--data", "--steps", "--budget", "--seed", "--out", "--resume", "--device", "--debug"):
        assert option in minigen("train", "--help")[1]


def test_check_runs_the_table_of_cases(minigen, monkeypatch):
    monkeypatch.setattr(cli.check, "main", lambda: 1)
    assert minigen("check")[0] == 1


def test_nothing_slow_is_loaded_to_list():
    code = ("import sys; from minigen import cli; status = cli.main(['list']); "
            "sys.exit(status or any(name in sys.modules for name in ('matplotlib', 'torch', 'cupy')))")
    env = {name: value for name, value in ENVIRONMENT.items() if name != "MINIGEN_DEVICE"}
    result = subprocess.run([sys.executable, "-c", code], env=env, stdout=subprocess.DEVNULL)
    assert result.returncode == 0


# Mistakes: one line each, status 2, and nothing is harmed


@pytest.mark.parametrize("args, message", [
    ("train tniy", "no recipe is called 'tniy'; did you mean 'tiny'?"),
    ("train tiny --data digitz", "no data set, file or folder is called 'digitz'; did you mean 'digits'?"),
    ("train tiny --data cifar10", "'tiny' is not made for cifar10; it takes digits, mnist10k, two_moons"),
    ("train tiny --steps -5", "argument --steps: '-5' is not a whole number of at least 1"),
    ("train tiny --steps 1e3", "argument --steps: '1e3' is not a whole number of at least 1"),
    ("train tiny --seed -1", "argument --seed: '-1' is not a whole number of at least 0"),
    ("train tiny --budget 5", "budget is '5', expected a time such as 90s, 5m or 1h30m"),
    ("train tiny --budget 0s", "budget is '0s', expected more than nothing"),
    ("train tiny --device gpu", "argument --device: invalid choice: 'gpu'"),
    ("train tiny --out file", "--out 'file' is a file; give the folder for the run"),
    ("train tiny --out file/run", "not a directory: 'file/run'"),
    ("train tiny --budget ", "budget is '', expected more than nothing"),
    ("evaluate good -n 1", "argument -n: '1' is not a whole number of at least 2"),
    ("train tiny --budget inf", "budget is 'inf', expected a time"),
    ("train tiny --part a=b", "--part 'a=b': expected NAME=RUN, and 'tiny' needs no parts"),
    ("sample good --y 3", "unrecognized arguments: --y 3"),
    ("sample good --out good/checkpoint.safetensors", "--out 'good/checkpoint.safetensors' is not the name of a PNG"),
    ("sample good --out s.jpg", "--out 's.jpg' is not the name of a PNG file"),
    ("sample good --out .", "--out '.' is a folder; give the name of a PNG file in it"),
    ("sample good --out pipe.png", "'pipe.png' is no regular file, and is not replaced; choose another name"),
    ("sample good --out link.png", "'link.png' is a link, and is not replaced"),
    ("train tiny --out good", "--out 'good' is not empty; choose another folder, or go on ... --resume"),
    ("train tiny --out full", "--out 'full' is not empty"),
    ("train tiny --out full --resume", "'full' holds files but no run to resume"),
    ("train ae --out good --resume", "'good' holds a run with recipe tiny, not ae: resume it unchanged"),
    ("train tiny --out good --resume --data mnist10k", "'good' holds a run with data digits, not mnist10k"),
    ("train tiny --out good --resume --seed 1", "'good' holds a run with seed 0, not 1"),
    ("train tiny --out corrupt --resume", "'corrupt/checkpoint.safetensors' is damaged, or not a checkpoint"),
    ("sample corrupt", "'corrupt/checkpoint.safetensors' is damaged, or not a checkpoint"),
    ("sample nowhere", "'nowhere' holds no run; minigen train NAME makes one"),
    ("sample tiny", "'tiny' holds no run; did you mean 'runs/tiny'?"),
    ("sample good -n 0", "argument -n: '0' is not a whole number of at least 1"),
    ("sample good --out nowhere/a.png", "--out 'nowhere/a.png' is in a folder that is not there; create it"),
    ("evaluate good --split tests", "argument --split: invalid choice: 'tests'"),
    ("evaluate foreign", "'encoder.weight' has shape (3, 3), expected (2, 64)"),
    ("evaluate unknown", "no recipe is called 'gone'"),
    ("sample", "the following arguments are required: RUN"),
    ("trian tiny", "invalid choice: 'trian'"),
    ("train tiny --stpes 4", "unrecognized arguments: --stpes 4"),
])
def test_mistakes(minigen, args, message):
    Path("file").write_text("mine")
    for folder in ("good", "runs/tiny"):
        assert minigen("train", "tiny", "--out", folder, "--steps", 2)[0] == 0
    for folder in ("full", "corrupt", "foreign", "unknown"):
        Path(folder).mkdir()
    Path("full/thesis.txt").write_text("mine")
    Path(f"corrupt/{CHECKPOINT}").write_bytes(Path(f"good/{CHECKPOINT}").read_bytes()[:-100])
    tensors, meta = checkpoint.load(f"good/{CHECKPOINT}")
    checkpoint.save(f"foreign/{CHECKPOINT}", {**tensors, "model.encoder.weight": np.zeros((3, 3))}, meta)
    checkpoint.save(f"unknown/{CHECKPOINT}", tensors, {**meta, "recipe": "gone"})
    os.mkfifo("pipe.png")
    Path("link.png").symlink_to("file")
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}

    status, _out, err = minigen(*args.split(" "))
    assert status == 2
    assert re.match("minigen: .*" + ".*".join(map(re.escape, message.split(" ... "))), err)
    assert err.count("\n") == 1 and "Traceback" not in err
    assert before == {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def test_the_device_that_is_not_there(tmp_path):
    result = call("train", "tiny", "--device", "cuda", cwd=tmp_path)
    if result.returncode == 0:
        pytest.skip("this machine has a GPU")
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert result.stderr.startswith("minigen: device 'cuda' needs CuPy and an NVIDIA GPU")


def test_errors_that_nobody_foresaw_are_one_line_too(minigen, monkeypatch):
    def broken(*args, **settings):
        raise KeyError("two\nlines")

    monkeypatch.setattr(data, "load", broken)
    status, _out, err = minigen("train", "tiny")
    assert (status, err) == (2, "minigen: KeyError: 'two\\nlines' (--debug shows where)\n")
    status, _out, err = minigen("train", "tiny", "--debug")
    assert status == 2 and err.startswith("Traceback (most recent call last)") and "in broken" in err


def test_a_full_disk(minigen, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    assert minigen("train", "tiny")[0] == 0
    before = Path(f"runs/tiny/{CHECKPOINT}").read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    status, _out, err = minigen("train", "tiny", "--resume", "--steps", 20)
    assert (status, err) == (2, f"minigen: no space left on device: 'runs/tiny/{CHECKPOINT}'\n")
    assert Path(f"runs/tiny/{CHECKPOINT}").read_bytes() == before
    assert not list(Path("runs/tiny").glob(".*"))  # and nothing unfinished stays


@pytest.mark.parametrize("args", ["train tiny", "train tiny --out deep/run", "train tiny --out good --resume",
                                  "sample good", "evaluate good"])
def test_no_permission_to_write(minigen, args):
    assert minigen("train", "tiny", "--out", "good")[0] == 0
    for folder in (Path(), Path("good")):
        folder.chmod(0o555)
    user = os.geteuid()
    try:
        if user == 0:  # root may write everywhere; nobody may not
            os.seteuid(65534)
            if not os.access(cli.__file__, os.R_OK, effective_ids=True):
                pytest.skip("nobody may not read the folder that minigen is installed in")
        status, _out, err = minigen(*args.split())
    finally:
        os.seteuid(user)
        Path().chmod(0o755)
    assert status == 2
    assert re.fullmatch(r"minigen: permission denied: '(runs|deep|good)[^']*'; choose a place that you may "
                        "write to, with --out\n", err)


# Stopped and killed


def start(*args, cwd, **environment):
    return subprocess.Popen([*SCRIPT, *map(str, args)], cwd=cwd, env={**ENVIRONMENT, **environment},
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for(condition, process):
    for _ in range(6000):
        if condition() or process.poll() is not None:
            return
        time.sleep(0.005)
    raise TimeoutError


@pytest.mark.parametrize("name, status", [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_saves_and_says_how_to_go_on(tmp_path, name, status):
    out = tmp_path / "a run"
    process = start("train", "tiny", "--out", out, "--steps", 100_000, cwd=tmp_path, TINY_SLEEP="0.002")
    wait_for((out / CHECKPOINT).exists, process)
    time.sleep(0.2)
    process.send_signal(getattr(signal, name))
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (status, "")
    assert re.search(f"stopped by {name}: '{out / CHECKPOINT}' holds step {step(out)}\n"
                     f"go on with: minigen train tiny --resume --out '{out}'\n", stdout)
    result = call("train", "tiny", "--resume", "--out", out, "--steps", step(out) + 1, cwd=tmp_path)
    assert result.returncode == 0


def test_a_loss_that_is_not_finite(tmp_path):
    result = call("train", "explodes", cwd=tmp_path)
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert result.stderr.startswith("minigen: step 7, player 'explodes': log of room is nan")
    assert step(tmp_path / "runs/explodes") == 0
    result = call("train", "explodes", "--resume", "--debug", cwd=tmp_path)
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    assert re.match(r"minigen: log made \(\) with 1 NaN .*tiny_cli.py:\d+: return .*log\(", last)


CASES = [("tiny", 60, 3), ("grows", 60, 3)] + [
    pytest.param(name, steps, kills, marks=pytest.mark.slow)
    for name, steps, kills in [("tiny", 300, 12), ("linear_ae", 3000, 5), ("ae", 600, 5), ("vae", 100, 5)]]


@pytest.mark.parametrize("name, steps, kills", CASES)
def test_killed_at_random_moments_and_resumed_it_is_the_same_run(tmp_path, name, steps, kills):
    """SIGKILL: while Python loads, in a step, between steps, while a checkpoint or a picture is written."""
    settings = {"cwd": tmp_path, "TINY_SLEEP": "0.01", "TINY_EVALUATE": "no"}
    assert call("train", name, "--steps", steps, "--out", "whole", **settings).returncode == 0

    settings |= {"TINY_SAVE": "0", "TINY_DRAW": "0.3"}
    seed = random.randrange(10**6)
    moments, reached = random.Random(seed), []
    out, seconds = tmp_path / "killed", checkpoint.load(tmp_path / "whole" / CHECKPOINT)[1]["seconds"]
    for kill in range(kills):
        before = written(out)
        resume = ["--resume"] if out.exists() else []
        process = start("train", name, "--steps", steps, "--out", out, *resume, **settings)
        if kill:  # the first kill may come before there is a run
            wait_for(lambda before=before: written(out) != before, process)
        time.sleep(moments.uniform(0, 2 * seconds / kills if kill else 1.0))
        process.kill()
        process.communicate()
        reached.append(step(out) if (out / CHECKPOINT).exists() else None)
    result = call("train", name, "--steps", steps, "--out", out, "--resume", **settings)
    assert result.returncode == 0, result.stderr

    note = f"seed {seed}, killed with checkpoints of steps {reached}"
    assert any(at and at < steps for at in reached), f"no kill fell into the training: {note}"
    whole, whole_meta = checkpoint.load(tmp_path / "whole" / CHECKPOINT)
    killed, killed_meta = checkpoint.load(out / CHECKPOINT)
    for meta in (whole_meta, killed_meta):
        meta["seconds"] = meta["cpu_seconds"] = meta["stage"]["first_second"] = 0
    assert whole_meta == killed_meta, note
    assert sorted(whole) == sorted(killed)
    for key, array in whole.items():
        assert array.tobytes() == killed[key].tobytes(), f"{key} differs; {note}"
    for picture in ("samples.png", "curves.png"):
        assert (tmp_path / "whole" / picture).read_bytes() == (out / picture).read_bytes(), note


def written(out):
    """Changes whenever a checkpoint is put in place."""
    path = out / CHECKPOINT
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else None


# Others


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    out = tmp_path / "run"
    process = start("train", "tiny", "--out", out, "--steps", 100_000, cwd=tmp_path, TINY_SLEEP="0.002")
    wait_for((out / CHECKPOINT).exists, process)
    second = call("train", "tiny", "--resume", "--out", out, cwd=tmp_path)
    assert second.returncode == 2
    assert second.stderr == (f"minigen: another process is training in '{out}': wait for it, stop it, or give this run "
                             "another folder: --out\n")
    process.kill()  # which leaves no lock behind
    process.communicate()
    assert call("train", "tiny", "--resume", "--out", out, "--steps", step(out) + 1, cwd=tmp_path).returncode == 0


def test_runs_that_begin_at_once_have_folders_of_their_own(tmp_path):
    processes = [start("train", "tiny", "--steps", 3, cwd=tmp_path, TINY_EVALUATE="no") for _ in range(4)]
    for process in processes:
        _stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
    assert sorted(os.listdir(tmp_path / "runs")) == ["tiny", "tiny-2", "tiny-3", "tiny-4"]


@pytest.mark.parametrize("redirect, environment", [
    ("| head -1", {}), (">&-", {}), ("2>&-", {}), ("> out", {"PYTHONIOENCODING": "ascii"}), ("", {"MPLBACKEND": "no such"}),
    ("", {"PYTHONOPTIMIZE": "2"})])
def test_output_that_nobody_takes_does_not_end_a_run(tmp_path, redirect, environment):
    """A closed pipe or stream, letters that the terminal lacks, a backend of pictures that is not there, no
    docstrings."""
    command = f"'{sys.executable}' '{HERE / 'tiny_cli.py'}' train tiny --steps 30 {redirect}"
    subprocess.run(["bash", "-c", command], cwd=tmp_path, env={**ENVIRONMENT, **environment}, capture_output=True)
    assert sorted(os.listdir(tmp_path / "runs/tiny")) == [CHECKPOINT, "curves.png", "figures.json", "samples.png"]
    assert json.loads((tmp_path / "runs/tiny/figures.json").read_text())["step"] == 30
    assert checkpoint.load(tmp_path / "runs/tiny" / CHECKPOINT)[1]["finished"] is True


def test_a_flipped_bit_is_noticed(minigen):
    assert minigen("train", "tiny")[0] == 0
    path = Path(f"runs/tiny/{CHECKPOINT}")
    contents = bytearray(path.read_bytes())
    contents[-1000] ^= 4
    path.write_bytes(contents)
    for command in ("sample", "evaluate"):
        status, _out, err = minigen(command, "runs/tiny")
        assert status == 2 and err.startswith(f"minigen: '{path}' is damaged: its arrays are not those that were written")


def test_numbers_that_are_not_finite_are_named_when_a_run_is_loaded(minigen):
    assert minigen("train", "tiny")[0] == 0
    path = Path(f"runs/tiny/{CHECKPOINT}")
    tensors, meta = checkpoint.load(path)
    tensors["ema.average.encoder.weight"] = np.full_like(tensors["ema.average.encoder.weight"], np.nan)
    checkpoint.save(path, tensors, meta)
    for command in (("sample", "runs/tiny"), ("train", "tiny", "--resume", "--steps", 20)):
        status, _out, err = minigen(*command)
        assert status == 2 and "ema.average.encoder.weight holds numbers that are not finite" in err


def test_a_checkpoint_of_an_older_version_is_one_line(minigen, monkeypatch):
    assert minigen("train", "tiny")[0] == 0
    monkeypatch.setattr(checkpoint, "FORMAT", 3)
    assert minigen("sample", "runs/tiny")[2] == (
        f"minigen: 'runs/tiny/{CHECKPOINT}' has format 2, and this version of minigen reads 3: train again, or use the "
        "version that wrote it\n")


def test_interrupted_while_everything_is_still_imported(tmp_path):
    """The first half second goes to imports: an interrupt there ends the program without a word."""
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy/__init__.py").write_text("raise KeyboardInterrupt\n")
    root = Path(cli.__file__).parents[1]
    result = subprocess.run([sys.executable, "-m", "minigen", "list"], cwd=tmp_path, capture_output=True, text=True,
                            env={**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(root)])})
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


def test_names_and_numbers_of_any_length_are_one_short_line(minigen):
    name = "r" * 250
    assert minigen("train", "tiny", "--out", name)[0] == 0
    assert sorted(os.listdir(name)) == [CHECKPOINT, "curves.png", "figures.json", "samples.png"]
    for args in (["train", "tiny", "--steps", "9" * 5000], ["train", "x" * 5000], ["sample", name, "-n", "1" * 5000],
                 ["train", "tiny", "--budget", "1" * 5000], ["train", "tiny", "--out", "q" * 300]):
        status, _, err = minigen(*args)
        assert status == 2 and err.count("\n") == 1 and len(err) < 1200
    assert not Path("runs").exists() or all(os.listdir(f"runs/{folder}") for folder in os.listdir("runs"))


def test_many_samples_take_little_memory(tmp_path):
    """A sheet is drawn into one picture of bytes, whatever the number of images."""
    images = np.random.default_rng(0).random((4000, 1, 28, 28), dtype=np.float32)
    tracemalloc.start()
    plot.grid(images, tmp_path / "many.png")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    high, wide = imread(tmp_path / "many.png").shape[:2]
    assert peak < 4 * high * wide * 3
