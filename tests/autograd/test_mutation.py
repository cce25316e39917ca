"""Can the checks fail? Every pullback of the engine is broken in nine ways, and the table of cases must notice.

A mutant is one edge of one op (one pullback) and one way of breaking it. The name `record` is replaced in all
modules of the engine by one that breaks this pullback and leaves all others alone; then the rows of the table that
use the edge are checked to first and second order, until one fails: the mutant is caught. Those that no row can
catch are the same function in other words, and are listed below with the reason.
"""
import ast
import importlib
import inspect
import pkgutil
import sys
from typing import NamedTuple

import numpy as np
import pytest

import autograd
from autograd import GradcheckError, Tensor, grad, gradcheck, gradgradcheck, parameter, recording
from autograd.cases import CASES
from autograd.tensor import record

ROWS_TRIED = 6  # per mutant, those named after the op first


class Edge(NamedTuple):
    """A pullback in the source: the module and line of its record(...), and its place among the edges."""

    module: str
    line: int
    index: int


# The ways to break a pullback. All but the last three are linear maps of the gradient, with their own right
# derivatives, so that nothing is broken but what the name says.


def linear(x, forward, transposed):
    return record(forward(x.data), (x, lambda g: linear(g, transposed, forward)))


def symmetric(f):
    return lambda x: linear(x, f, f)


scaled = symmetric(lambda a: a * 1.001)
zeroed = symmetric(lambda a: a * 0.0)
negated = symmetric(lambda a: -a)
permuted = symmetric(lambda a: a.reshape(-1)[::-1].reshape(a.shape))
right_for_ones = symmetric(lambda a: 2.0 * a - a.mean())  # of g: the same where all its elements are equal


def frozen(pullback, g, *y):
    """The right gradient, which does not change with the op's inputs: only its derivative by g is kept."""
    if not recording():
        return pullback(g, *y)
    y, again = [Tensor(t.data) for t in y], parameter(g.data)
    result = pullback(again, *y)
    return linear(g, lambda a: pullback(Tensor(a), *y).data, lambda a: grad(result, again, a, create_graph=True).data)


MUTATIONS = {
    "scaled": lambda pullback, g, *y: scaled(pullback(g, *y)),
    "zeroed": lambda pullback, g, *y: zeroed(pullback(g, *y)),
    "negated": lambda pullback, g, *y: negated(pullback(g, *y)),
    "permuted": lambda pullback, g, *y: permuted(pullback(g, *y)),
    "right for g = 1": lambda pullback, g, *y: pullback(right_for_ones(g), *y),
    "dropped": None,  # the edge is not recorded at all
    "scaled under create_graph": lambda pullback, g, *y: (scaled if recording() else Tensor.detach)(pullback(g, *y)),
    "detached": lambda pullback, g, *y: pullback(g, *y).detach(),
    "frozen": frozen,
}

# Survivors: mutants that are no change. Only freezing leaves some ops as they are.

LINEAR = """
    sweep.add[0] sweep.add[1] sweep.astype[0] sweep.broadcast_to[0] sweep.sum_to[0] ops.sub[0] ops.sub[1]
    ops.neg[0] ops.linear[2] activations._zero_where[0] shape.reshape[0] shape.transpose[0] shape.swapaxes[0]
    shape.moveaxis[0] shape.expand_dims[0] shape.squeeze[0] shape.concatenate[0] shape.concatenate[1]
    shape.concatenate[2]
    shape._take[0] shape.scatter_add[0] shape.pad[0] shape.flip[0] shape.roll[0] shape.tril[0] shape.triu[0]
    reduce.sum[0] reduce.cumsum[0] conv.convolution[2] conv.transposed_convolution[2] conv.channel_sums[0]
    conv._unfold[0] conv._fold[0] resample.max_unpool2d[0] resample._take[0] resample._put[0]
    resample._sum_windows[0] resample._spread_windows[0] resample._resample[0] norm._center_images[0]
    norm._scale_images[2] norm._center_rows[0] norm._scale_rows[2]
""".split()  # linear in this input: the gradient does not change with it

FLAT = """
    ops.where[0] ops.where[1] ops.abs[0] ops.maximum[0] ops.maximum[1] ops.minimum[0] ops.minimum[1] ops.clip[0]
    activations.relu[0] activations._scaled_where[0] reduce._extreme[0] resample._max_pool[0]
""".split()  # linear in this input between its kinks


def modules():
    """The modules of the engine that record ops, but for sums over several workers: tests/minigen/parallel has these."""
    found = [importlib.import_module(f"autograd.{m.name}") for m in pkgutil.iter_modules(autograd.__path__)
             if m.name != "batch"]
    return {m.__name__: m for m in found if getattr(m, "record", None) is record}


def calls_in_source():
    """(module, line) -> function: where the engine's source says record(...)."""
    places = {}
    for name, module in modules().items():
        for function in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(function, ast.FunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "record":
                        places[name, node.lineno] = function.name  # the innermost function comes last
    return places


def spied(monkeypatch, change):
    """Replaces `record` everywhere by one that first hands its caller's place and its edges to change."""

    def spy(value, *edges, keep_output=False):
        frame = sys._getframe(1)
        edges = change((frame.f_globals["__name__"], frame.f_lineno), edges)
        return record(value, *edges, keep_output=keep_output)

    for module in modules().values():
        monkeypatch.setattr(module, "record", spy)


def rows_of_edges(monkeypatch):
    """edge -> the rows that use it, in the forward pass or in that of a gradient."""
    rows = {}

    def note(place, edges):
        for index, (x, _) in enumerate(edges):
            if x.requires_grad:
                used = rows.setdefault(Edge(*place, index), [])
                if not used or used[-1] is not case:
                    used.append(case)
        return edges

    spied(monkeypatch, note)
    for case in CASES:
        gradgradcheck(case.f, case.inputs(np.random.default_rng(0)), directions=1)
    monkeypatch.undo()
    return rows


def survives(monkeypatch, edge, mutation, rows):
    def mutate(place, edges):
        if place != edge[:2] or edge.index >= len(edges):
            return edges
        x, pullback = edges[edge.index]
        broken = [] if mutation is None else [(x, lambda g, *y: mutation(pullback, g, *y))]
        return (*edges[: edge.index], *broken, *edges[edge.index + 1 :])

    spied(monkeypatch, mutate)
    checks = (gradgradcheck, gradcheck) if mutation in LATE else (gradcheck, gradgradcheck)
    try:
        for case in rows:
            rng = np.random.default_rng(1)
            for check in checks:
                check(case.f, case.inputs(rng), rng, directions=1)
        return True
    except GradcheckError:
        return False
    finally:
        monkeypatch.undo()


LATE = [MUTATIONS[name] for name in ("scaled under create_graph", "detached", "frozen")]  # seen by the second check


def test_mutants_are_caught(monkeypatch, record_property):
    rows, functions = rows_of_edges(monkeypatch), calls_in_source()
    names, survivors, made = {}, set(), 0
    with monkeypatch.context() as quick:
        quick.setattr(sys.modules["autograd.gradcheck"], "_first_wrong_element", lambda *args: "wrong")
        for edge, used in sorted(rows.items()):
            function = functions[edge[:2]]
            same = sorted(line for (module, line), f in functions.items() if (module, f) == (edge.module, function))
            number = f" {same.index(edge.line) + 1}" if len(same) > 1 else ""
            names[edge] = f"{edge.module.split('.')[1]}.{function}{number}[{edge.index}]"
            used = sorted(used, key=lambda case: case.name != function.lstrip("_"))[:ROWS_TRIED]
            for kind, mutation in MUTATIONS.items():
                made += 1
                with pytest.MonkeyPatch.context() as patch:
                    if survives(patch, edge, mutation, used):
                        survivors.add(f"{names[edge]} {kind}")
    unchanged = {f"{name} frozen" for name in LINEAR + FLAT}
    score = (f"mutants: caught {made - len(survivors)} of {made - len(unchanged)}, of {len(rows)} pullbacks "
             f"broken in {len(MUTATIONS)} ways; {len(unchanged)} more are no change")
    print(score)
    record_property("score", score)
    assert survivors - unchanged == set(), "the table of cases does not notice these"
    assert unchanged - survivors == set(), "these are caught: take them off the list"


def test_the_table_reaches_every_pullback(monkeypatch):
    reached = {edge[:2] for edge in rows_of_edges(monkeypatch)}
    places = calls_in_source()
    missing = [f"{module}:{line} in {function}" for (module, line), function in places.items()
               if (module, line) not in reached and not function.endswith("_by_kernel")]  # tests/cuda_on_cpu has these
    assert not missing, "no row of the table uses these calls of record"
