"""The command line: python -m minigen list | train NAME | sample RUN | evaluate RUN | check.

    python -m minigen train vae                              # on the recipe's own data, into runs/vae
    python -m minigen train vae --data mnist10k --budget 5m
    python -m minigen train vae --resume                     # goes on where it was stopped or killed
    python -m minigen sample runs/vae -n 100
    python -m minigen evaluate runs/vae --split test

A mistake of the user's is one line on stderr and exit status 2. Read before this: recipes.py, train.py.
"""
import argparse
import contextlib
import json
import shlex
import signal
import sys
import traceback
from dataclasses import asdict
from pathlib import Path

from autograd import backend, check, detect_anomaly

from . import checkpoint, data, recipes
from .ema import EMA
from .train import CHECKPOINT, draw_samples, format_duration, in_use, parse_duration, train

RUNS = Path("runs")
VALID_EXAMPLES = 500  # of the valid split, for the curves


def main(argv=None) -> int:
    """Runs one command. Returns the exit status: 0, 2 after an error, 130 or 143 if a signal ended it."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return 0
    try:
        if args.device:
            backend.use(args.device)
        with detect_anomaly() if args.debug else contextlib.nullcontext():
            return args.command(args)
    except KeyboardInterrupt:
        print("minigen: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except Exception as error:  # the border to the user: whatever went wrong becomes one line
        if args.debug:
            traceback.print_exc()
        print(f"minigen: {_one_line(error)}", file=sys.stderr)
        return 2


# The commands


def list_recipes(args) -> int:
    """Prints what can be trained."""
    for recipe in recipes.RECIPES.values():
        effort = f"{recipe.steps:,} steps" if recipe.steps else "one pass"
        print(f"{recipe.name:20} {recipe.summary} ({recipe.paper}); {effort} on {recipe.data}")
    return 0


def train_recipe(args) -> int:
    """Trains a recipe; leaves a checkpoint, samples.png, curves.png and figures.json in the run's folder."""
    recipe = recipes.find(args.recipe)
    out = _run_folder(recipe.name, args)
    settings = _settings(recipe, out, args)
    recipe = recipe.on(settings["data"])
    seed, budget = settings["seed"], settings["budget"] and parse_duration(settings["budget"])

    rng = backend.rng(seed)
    dataset, valid = (data.load(settings["data"], split) for split in ("train", "valid"))
    model, ema = _build(recipe, dataset, rng)
    optimizers = {player.name: recipe.optimizers[player.name](player.params) for player in model.players()}
    print(f"{recipe.name}: {model.num_parameters():,} parameters, seed {seed}, {backend.device()}, "
          f"into '{out}'\n{dataset.note}", flush=True)

    run = train(model, data.Batches(dataset, recipe.batch_size, rng), optimizers, settings["steps"], budget,
                recipe.steps, rng=rng, ema=ema, clip=recipe.clip, valid=_first_batches(valid, recipe.batch_size),
                out=out, resume=args.resume, samples=_samples(dataset), about=settings)
    if run.stopped_by:
        print(f"stopped by {run.stopped_by}: {run.checkpoint}\n"
              f"go on with: python -m minigen train {recipe.name} --resume --out {shlex.quote(str(out))}")
        return 128 + signal.Signals[run.stopped_by]
    if run.step:
        print(f"{run.step:,} steps in {format_duration(run.seconds)}: see curves.png in '{out}'")
    print(f"wrote '{out / 'samples.png'}'")
    _evaluate(model, ema, valid, {**settings, "step": run.step}, out)
    return 0


def sample_run(args) -> int:
    """Draws samples of a trained run."""
    model, ema, dataset, _ = load_run(args.run)
    path = Path(args.out or Path(args.run) / "samples.png")
    with in_use(model, ema):
        n = args.n or _samples(dataset)
        draw_samples(model, n, backend.rng(args.seed or 0), path, _points(dataset))
    print(f"wrote '{path}'")
    return 0


def evaluate_run(args) -> int:
    """Prints a trained run's figures on a split, and leaves them in figures.json."""
    model, ema, dataset, settings = load_run(args.run)
    split = data.load(dataset.name, args.split)
    _evaluate(model, ema, split, settings, Path(args.run), args.n, args.seed or 0)
    return 0


def check_ops(args) -> int:
    """Compares the gradient of every op with finite differences."""
    return check.main()


# What they share


def _run_folder(name, args) -> Path:
    """Where a run is kept: --out, else runs/NAME or runs/NAME-2 ...; with --resume the latest of these."""
    if args.out:
        out = Path(args.out)
        if out.exists() and not out.is_dir():
            raise NotADirectoryError(f"--out '{out}' is a file; give the folder for the run")
        if not args.resume and _holds_anything(out):
            raise FileExistsError(f"--out '{out}' is not empty; choose another folder, or go on with the run "
                                  "in it: --resume")
        return out
    if args.resume:
        return max([RUNS / name, *RUNS.glob(f"{name}-[0-9]*")], key=_last_written)
    out, number = RUNS / name, 1
    while _holds_anything(out):
        number += 1
        out = RUNS / f"{name}-{number}"
    if number > 1:
        print(f"'{RUNS / name}' is taken: this run goes into '{out}' (--resume goes on with the latest)")
    return out


def _settings(recipe, out, args) -> dict:
    """What to train: as the command line says, else as the resumed run began, else as the recipe says."""
    steps = recipe.on(args.data or recipe.data).steps
    settings = {"recipe": recipe.name, "data": recipe.data, "seed": 0, "steps": steps, "budget": None}
    asked = {key: getattr(args, key) for key in ("data", "seed") if getattr(args, key) is not None}
    if args.steps is not None or args.budget is not None:  # a budget alone lifts the recipe's limit of steps
        asked |= {"steps": args.steps, "budget": args.budget}

    if args.resume and (out / CHECKPOINT).is_file():
        began = checkpoint.load(out / CHECKPOINT)[1]
        for key, value in {"recipe": recipe.name, **asked}.items():
            if key in ("recipe", "data", "seed") and value != began[key]:
                raise ValueError(f"'{out}' holds a run with {key} {began[key]}, not {value}: resume it "
                                 "unchanged, or leave out --resume to begin another")
        settings = {key: began[key] for key in settings}
        print(f"going on from step {began['step']:,}")
    elif args.resume:
        if _holds_anything(out, besides=f".{CHECKPOINT}.unfinished"):
            raise FileNotFoundError(f"'{out}' holds files but no run to resume; give the run's folder: --out")
        print(f"'{out}' holds no checkpoint yet: starting from the beginning")

    settings |= asked
    name = settings["data"]
    if name in data.names() and name not in recipe.accepts:
        raise ValueError(f"'{recipe.name}' is not made for {name}; it takes {', '.join(recipe.accepts)}")
    return settings


def load_run(folder):
    """The run in a folder: (model, its EMA or None, the Dataset it was trained on, its settings)."""
    path = Path(folder) / CHECKPOINT
    if not path.is_file():
        near = RUNS / folder
        hint = f"did you mean '{near}'?" if (near / CHECKPOINT).is_file() else "minigen train NAME makes one"
        raise FileNotFoundError(f"'{folder}' holds no run; {hint}")
    tensors, settings = checkpoint.load(path)
    recipe = recipes.find(settings["recipe"]).on(settings["data"])
    dataset = data.load(settings["data"])
    model, ema = _build(recipe, dataset, backend.rng(settings["seed"]))
    model.load_state_dict(checkpoint.part("model", tensors))
    if ema:
        ema.load_state_dict(checkpoint.part("ema", tensors))
    return model, ema, dataset, settings


def _build(recipe, dataset, rng):
    model = recipe.model(dataset, rng)
    return model, EMA(model, recipe.ema) if recipe.ema else None


def _evaluate(model, ema, dataset, settings, out, n=None, seed=0) -> None:
    """Prints the model's figures on the first n examples of a dataset, and writes them to figures.json."""
    x, y = dataset.x[:n], None if dataset.y is None else dataset.y[:n]
    which = f"the first {len(x):,} of " if n else ""
    print(f"evaluating on {which}{dataset.note}; ± is half a 95 % interval", flush=True)
    with in_use(model, ema):
        figures = model.evaluate(x, y, backend.rng(seed))
    for figure in figures:
        print(f"  {figure}")
    about = {key: settings[key] for key in ("recipe", "data", "seed", "step")}
    about |= {"split": dataset.split, "examples": len(x), "figures": [asdict(figure) for figure in figures]}
    checkpoint.write(out / "figures.json", (json.dumps(about, indent=2) + "\n").encode())


def _first_batches(dataset, batch_size) -> list:
    """The first VALID_EXAMPLES examples or so, in batches."""
    size = min(batch_size, len(dataset))
    batches = data.Batches(dataset, size, rng=None, shuffle=False)
    return [next(batches) for _ in range(min(len(batches), max(1, VALID_EXAMPLES // size)))]


def _samples(dataset) -> int:
    """How many samples make a good picture."""
    return 64 if dataset.levels else 2000


def _points(dataset):
    """Points to draw samples over; none for images."""
    return None if dataset.levels else dataset.x[:2000]


def _holds_anything(folder, besides=None) -> bool:
    return folder.is_dir() and any(file.name != besides for file in folder.iterdir())


def _last_written(folder) -> float:
    path = folder / CHECKPOINT
    return path.stat().st_mtime if path.is_file() else 0.0


def _one_line(error) -> str:
    """The error in one line, for someone who has not written the program."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror.lower() + (f": '{error.filename}'" if error.filename else "")
    if isinstance(error, PermissionError):
        text += "; choose a place that you may write to, with --out"
    if isinstance(error, (ValueError, OSError, RuntimeError, ArithmeticError)):
        return text
    return f"{type(error).__name__}: {text} (--debug shows where)"


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"minigen: {message}; see {self.prog} --help\n")


def _parser():
    common = _Parser(add_help=False)
    common.add_argument("--device", choices=["cpu", "cuda"], help="where to compute; default: cpu")
    common.add_argument("--debug", action="store_true", help="name the op that makes a NaN; show tracebacks")
    seed = _Parser(add_help=False)
    seed.add_argument("--seed", type=_natural(0), help="of all random numbers; default: 0")
    run = _Parser(add_help=False)
    run.add_argument("run", metavar="RUN", help="the folder of a trained run, e.g. runs/vae")

    parser = _Parser(prog="minigen", description="Deep generative models, trained, sampled and measured.")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(metavar="COMMAND")

    def add(name, command, *parents):
        added = commands.add_parser(name, parents=[*parents, common], help=command.__doc__.strip(),
                                    description=command.__doc__.strip())
        added.set_defaults(command=command)
        return added

    add("list", list_recipes)
    add("check", check_ops)

    sub = add("train", train_recipe, seed)
    sub.add_argument("recipe", metavar="NAME", help="a recipe, see `minigen list`")
    sub.add_argument("--data", metavar="NAME", help="the data set, default: the recipe's")
    sub.add_argument("--steps", type=_natural(1), help="default: the recipe's, or no limit with --budget")
    sub.add_argument("--budget", metavar="TIME",
                     help="train this long, e.g. 90s, 5m, 1h30m; learning rates that fall end with it")
    sub.add_argument("--out", metavar="FOLDER", help="of the run; default: runs/NAME, or runs/NAME-2, ...")
    sub.add_argument("--resume", action="store_true", help="go on with the run in --out, or NAME's latest")

    sub = add("sample", sample_run, run, seed)
    sub.add_argument("-n", type=_natural(1), help="how many; default: 64 images or 2000 points")
    sub.add_argument("--out", metavar="FILE", help="default: samples.png in the run's folder")

    sub = add("evaluate", evaluate_run, run, seed)
    sub.add_argument("-n", type=_natural(1), help="only the first n examples")
    sub.add_argument("--split", choices=data.SPLITS, default="test", help="default: test")
    return parser


def _natural(least):
    """A type for argparse: whole numbers from `least` on."""

    def parse(text):
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least {least}")
        return number

    return parse
