"""Compares minigen with PyTorch on this machine's GPU, and writes what it finds down.

    python tests/benchmarks/gpu.py                    # every row -> docs/gpu.json and docs/gpu.md
    python tests/benchmarks/gpu.py conv               # rows whose name contains a word
    python tests/benchmarks/gpu.py --check            # runs pytest -m gpu first, and notes its result too
    python tests/benchmarks/gpu.py --resume           # what a run of the same commit on the same GPU has left out

Rows: forward, input gradient and filter gradient of five convolutions, in float32 and TF32; a training step of DDPM
with a U-Net of 1 M and of 36 M parameters, batch 128; 64 images in 100 steps of DDIM. "eager": op by op from Python;
"graph": replayed as a CUDA graph. Convolutions are timed in graphs of 20 on inputs that take turns, so that neither
launches nor a warm cache are what is measured; PyTorch's in the faster of its two memory formats, cuDNN's search on.

A process measures one library at one kind of work (all convolutions, one network's training, ...) and nothing runs
beside it; the libraries take turns. Times are of CUDA events, medians over replays, then over --pairs processes. A
ratio above 1 means that minigen is faster. Results are written after each kind of work.
"""
import argparse
import itertools
import json
import platform
import statistics
import subprocess
import sys
import time
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

CONVOLUTIONS = [(128, 32, 28, 32), (128, 64, 14, 64), (128, 128, 7, 128), (64, 64, 32, 64), (16, 128, 32, 128)]
MAPS = ("forward", "input gradient", "filter gradient")
NETWORKS = {
    "1 M": (dict(in_channels=1, width=40, multipliers=(1, 2), blocks=1, patch=2), 28),
    "36 M": (dict(in_channels=3, width=128, multipliers=(1, 2, 2, 2), blocks=2, attention=(1,), groups=32), 32),
}
ROWS = [f"conv {N},{C},{H},{O} {kind} {which}" for (N, C, H, O), kind, which in
        itertools.product(CONVOLUTIONS, ("float32", "TF32"), MAPS)]
ROWS += [f"{work} {size} {kind}" for size in NETWORKS for work in ("training", "sampling")
         for kind in ("float32", "TF32")]
GOALS = {"conv": 0.9, "training": 1.0, "sampling": 2.0}
BATCH, IMAGES, STEPS, T, TURNS, CALLS = 128, 64, 100, 1000, 4, 20


def main():
    options = parse()
    if options.measure:
        library, *names = options.measure
        for name in names:
            print(json.dumps([name, measure(name, library)]), flush=True)
        return
    about = describe(options.check)
    print(about["text"])
    results = {"machine": about, "rows": kept(about) if options.resume else {}}
    wanted = [row for row in ROWS if all(word in row for word in options.words) and row not in results["rows"]]
    works = [list(rows) for _, rows in itertools.groupby(wanted, work)]
    start = time.monotonic()
    for done, names in enumerate(works, start=1):
        runs = {"minigen": [], "torch": []}
        for _, library in itertools.product(range(options.pairs), runs):
            runs[library].append(run(names, library))
        for name in names:
            times = {library: [by_row[name] for by_row in runs[library]] for library in runs}
            results["rows"][name] = row = summary(times)
            print(line(name, row), flush=True)
        results["rows"] = {name: results["rows"][name] for name in ROWS if name in results["rows"]}
        if not options.words:
            (ROOT / "docs" / "gpu.json").write_text(json.dumps(results, indent=1) + "\n")
            (ROOT / "docs" / "gpu.md").write_text(page(results))
        left = (time.monotonic() - start) / done * (len(works) - done)
        print(f"{done} of {len(works)} kinds of work, about {left / 60:.0f} min left", file=sys.stderr, flush=True)


def work(row):
    """The kind of work that a row belongs to: "conv", "training 1 M", ..."""
    return row.split()[0] if row.startswith("conv") else row.rsplit(" ", 1)[0]


def kept(about):
    """The rows of docs/gpu.json, if they are this commit's on this GPU."""
    path = ROOT / "docs" / "gpu.json"
    before = json.loads(path.read_text()) if path.exists() else {"machine": {}}
    same = all(before["machine"].get(key) == about[key] for key in ("gpu", "versions", "commit"))
    return before["rows"] if same else {}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="rows whose name contains all of these; without any, all")
    parser.add_argument("--pairs", type=int, default=3, help="measurements of each library (default %(default)s)")
    parser.add_argument("--check", action="store_true", help="run pytest -m gpu first, and note its result")
    parser.add_argument("--resume", action="store_true", help="keep the rows that docs/gpu.json has of this commit")
    parser.add_argument("--measure", nargs="+", metavar=("LIBRARY", "ROW"), help="measure in this process")
    return parser.parse_args()


def describe(check):
    """The machine, the versions and the commit: without them a number says nothing."""
    import torch

    if not torch.cuda.is_available():
        sys.exit("gpu.py: PyTorch finds no GPU here; nothing is measured")
    git = lambda *words: subprocess.run(["git", *words], capture_output=True, text=True, cwd=ROOT).stdout.strip()
    cupy = next((f"{name} {version(name)}" for name in ("cupy-cuda13x", "cupy-cuda12x") if installed(name)), "no CuPy")
    about = {
        "gpu": torch.cuda.get_device_name(),
        "multiprocessors": torch.cuda.get_device_properties(0).multi_processor_count,
        "versions": [f"Python {platform.python_version()}", f"NumPy {np.__version__}", cupy,
                     f"torch {torch.__version__}", f"cuDNN {torch.backends.cudnn.version()}",
                     f"CUDA {torch.version.cuda}"],
        "commit": git("rev-parse", "HEAD"), "changed files": len(git("status", "--porcelain").splitlines()),
        "date": datetime.now(timezone.utc).date().isoformat(),
    }
    if check:
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests"], cwd=ROOT,
                              capture_output=True, text=True)
        about["tests"] = done.stdout.strip().splitlines()[-1]
    about["text"] = (f"{about['gpu']}, {', '.join(about['versions'])}; commit {about['commit'][:12]}, "
                     f"{about['changed files']} changed files; {about['date']}; "
                     f"pytest -m gpu: {about.get('tests', 'not run')}")
    return about


def installed(name):
    try:
        return bool(version(name))
    except ImportError:
        return False


def run(names, library):
    """{name: times in ms by variant}, measured in a process of its own."""
    command = [sys.executable, __file__, "--measure", library, *names]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"gpu.py: {library}, after {done.stdout[-200:]!r}: {done.stderr[-3000:]}")
    return dict(map(json.loads, done.stdout.splitlines()))


def summary(runs):
    """Median times in ms by library and variant, and PyTorch's over ours: its eager, and its own graph."""
    row = {library: {variant: statistics.median(times[variant] for times in several) for variant in several[0]}
           for library, several in runs.items()}
    ours = min(row["minigen"].values())
    row["ratio"] = {variant: theirs / ours for variant, theirs in row["torch"].items()}
    return row


def line(name, row):
    times = lambda library: ", ".join(f"{variant} {ms:.4g}" for variant, ms in row[library].items())
    ratios = ", ".join(f"{ratio:.2f} of {variant}" for variant, ratio in row["ratio"].items())
    return f"| {name} | {times('minigen')} | {times('torch')} | {ratios} |"


def page(results):
    goals = ", ".join(f"{work} {ratio}" for work, ratio in GOALS.items())
    table = "\n".join(line(name, row) for name, row in results["rows"].items())
    return (f"# On a GPU\n\n{results['machine']['text']}\n\nMade by `python tests/benchmarks/gpu.py`, which says how. "
            "Times in ms; ratios are PyTorch's time over minigen's best, above 1 where minigen is faster. Goals: "
            f"{goals} (training and sampling against eager).\n\n"
            f"| row | minigen | PyTorch | ratio |\n|---|---|---|---|\n{table}\n")


# Measurements


def measure(name, library):
    """Times in ms by variant. name: one of ROWS."""
    work, what, kind, *which = name.replace(" M ", "_M ").split(maxsplit=3)
    return globals()[f"{library}_{work}"](what.replace("_", " "), *which, tf32=kind == "TF32")


def median_ms(run, record, elapsed, synchronize, repeats=30):
    """Median time of run() in ms, between two events on the stream."""
    for _ in range(3):
        run()
    synchronize()
    times = []
    for _ in range(repeats):
        start = record()
        run()
        end = record()
        synchronize()
        times.append(elapsed(start, end))
    return statistics.median(times)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def minigen_timer():
    from autograd.backend import xp

    stream = xp.cuda.get_current_stream
    return dict(record=lambda: stream().record(), elapsed=xp.cuda.get_elapsed_time,
                synchronize=xp.cuda.Device().synchronize)


def torch_timer():
    import torch

    def record():
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    return dict(record=record, elapsed=lambda start, end: start.elapsed_time(end), synchronize=torch.cuda.synchronize)


def minigen_conv(shape, which, tf32):
    from autograd import backend
    from autograd.geometry import Geometry
    from autograd.gpu import convolution

    backend.use("cuda", tf32=tf32)
    N, C, H, O = map(int, shape.split(","))
    geometry = Geometry((H, H), (3, 3), (H, H), (1, 1), (1, 1), (1, 1))
    last = lambda *s, seed: backend.asarray(numbers(*(s[i] for i in (0, 2, 3, 1)), seed=seed)).transpose(0, 3, 1, 2)
    w = backend.asarray(numbers(O, C, 3, 3))
    xs, gs = ([last(N, channels, H, H, seed=i) for i in range(TURNS)] for channels in (C, O))
    calls = {"forward": lambda x, g: convolution.convolve(x, w, None, geometry, 1),
             "input gradient": lambda x, g: convolution.conv_transpose(g, w, None, geometry, 1),
             "filter gradient": lambda x, g: convolution.filter_gradient(x, g, geometry, 1)}

    def work():
        for i in range(CALLS):
            calls[which](xs[i % TURNS], gs[i % TURNS])

    return {"graph": median_ms(backend.Captured(work), **minigen_timer()) / CALLS}


def torch_conv(shape, which, tf32):
    import torch

    torch_settings(tf32)
    N, C, H, O = map(int, shape.split(","))
    backward = torch.ops.aten.convolution_backward
    arguments = None, (1, 1), (1, 1), (1, 1), False, (0, 0), 1
    calls = {"forward": lambda x, w, g: torch.conv2d(x, w, padding=1),
             "input gradient": lambda x, w, g: backward(g, x, w, *arguments, (True, False, False)),
             "filter gradient": lambda x, w, g: backward(g, x, w, *arguments, (False, True, False))}

    def timed(layout):
        to = lambda array: torch.tensor(array).cuda().to(memory_format=layout)
        w = to(numbers(O, C, 3, 3))
        xs, gs = ([to(numbers(N, channels, H, H, seed=i)) for i in range(TURNS)] for channels in (C, O))

        def work():
            for i in range(CALLS):
                calls[which](xs[i % TURNS], w, gs[i % TURNS])

        return median_ms(torch_graph(work), **torch_timer()) / CALLS

    return {"graph": min(map(timed, (torch.channels_last, torch.contiguous_format)))}


def torch_settings(tf32):
    import torch

    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32


def torch_graph(work):
    """work as a CUDA graph, after three calls as it is."""
    import torch

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def minigen_network(size, tf32):
    from autograd import backend
    from minigen.diffusion import linear_schedule
    from minigen.nn.unet import UNet

    backend.use("cuda", tf32=tf32)
    arguments, H = NETWORKS[size]
    return UNet(**arguments, rng=backend.rng(0)), linear_schedule(T), (arguments["in_channels"], H, H)


def minigen_training(size, tf32):
    from autograd import Tensor, backend, grad, mse_loss
    from minigen.diffusion.captured.loop import TrainingLoop
    from minigen.optim import Adam

    net, forward, image = minigen_network(size, tf32)
    rng, x_0 = backend.rng(0), backend.asarray(numbers(BATCH, *image))
    adam = Adam(net.parameters(), 1e-4)

    def eager():
        t = rng.integers(1, T + 1, size=BATCH)
        eps = backend.normal(rng, x_0.shape)
        loss = mse_loss(net(forward.q_sample(x_0, t, eps), t), Tensor(eps))
        adam.step(grad(loss, adam.params))

    loop = TrainingLoop(net, forward, Adam(net.parameters(), 1e-4), x_0.shape, seed=0)
    return {"eager": median_ms(eager, **minigen_timer()), "graph": median_ms(lambda: loop(x_0), **minigen_timer())}


def minigen_sampling(size, tf32):
    from minigen.diffusion.captured.loop import SamplingLoop
    from minigen.diffusion.samplers import move_ddim

    net, forward, image = minigen_network(size, tf32)
    loop = SamplingLoop(net, forward.levels(STEPS), move_ddim(), (IMAGES, *image), seed=0)
    return {"graph": median_ms(loop, **minigen_timer(), repeats=5)}


def torch_network(size, tf32):
    import torch
    from torch_unet import UNet

    torch_settings(tf32)
    torch.set_default_device("cuda")
    arguments, H = NETWORKS[size]
    alpha_bar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, T, dtype=torch.float64), 0).float()
    return UNet(**arguments), alpha_bar, (arguments["in_channels"], H, H)


def torch_training(size, tf32):
    import torch

    net, alpha_bar, image = torch_network(size, tf32)
    x_0 = torch.tensor(numbers(BATCH, *image))
    adam = torch.optim.Adam(net.parameters(), 1e-4, fused=True, capturable=True)

    def step():
        adam.zero_grad(set_to_none=True)
        t = torch.randint(0, T, (BATCH,))
        eps, a = torch.randn_like(x_0), alpha_bar[t][:, None, None, None]
        eps_hat = net(a.sqrt() * x_0 + (1 - a).sqrt() * eps, t + 1)
        torch.nn.functional.mse_loss(eps_hat, eps).backward()
        adam.step()

    return {"eager": median_ms(step, **torch_timer()), "graph": median_ms(torch_graph(step), **torch_timer())}


def torch_sampling(size, tf32):
    import torch

    net, alpha_bar, image = torch_network(size, tf32)
    times = torch.linspace(T - 1, 0, STEPS).round().long()
    tables = alpha_bar[times], torch.cat([alpha_bar[times[1:]], torch.ones(1)])
    x, i = torch.empty(IMAGES, *image), torch.zeros(1, dtype=torch.long)

    @torch.no_grad()
    def step():
        a_t, a_s = (table[i].reshape(1, 1, 1, 1) for table in tables)
        eps = net(x, (times[i] + 1).expand(IMAGES))
        x_0 = ((x - (1 - a_t).sqrt() * eps) / a_t.sqrt()).clamp(-1, 1)
        eps = (x - a_t.sqrt() * x_0) / (1 - a_t).sqrt()
        x.copy_(a_s.sqrt() * x_0 + (1 - a_s).sqrt() * eps)
        i.add_(1).remainder_(STEPS)

    def whole(one):
        def sample():
            x.normal_()
            i.zero_()
            for _ in range(STEPS):
                one()
        return sample

    return {"eager": median_ms(whole(step), **torch_timer(), repeats=5),
            "graph": median_ms(whole(torch_graph(step)), **torch_timer(), repeats=5)}


if __name__ == "__main__":
    main()
