"""Module: what is found under which name, saving, loading, modes. And the check of the engine's package."""
import collections
import copy
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

import minigen
from autograd import Tensor, grad, parameter, relu
from minigen.nn import (
    MLP,
    Apply,
    BatchNorm2d,
    Dropout,
    Frozen,
    Linear,
    Module,
    ModuleDict,
    ModuleList,
    Sequential,
    in_eval_mode,
    thawed,
)


class Encoder(Module):
    """The example of module.py's header, with small sizes."""

    def __init__(self, *, rng):
        self.hidden = Linear(5, 4, rng=rng)
        self.gain = parameter(1.0)
        self.register_buffer("mask", np.eye(4, 3, dtype=np.float32))
        self.constant = Tensor(2.0)

    def forward(self, x):
        return relu(self.hidden(x)) @ (self.gain * self.mask)


class Model(Module):
    def __init__(self, *, rng):
        self.encoder = Encoder(rng=rng)
        self.blocks = ModuleList([Linear(3, 3, bias=False, rng=rng) for _ in range(2)])
        self.tied = self.blocks[0].weight

    def forward(self, x):
        x = self.encoder(x)
        for block in self.blocks:
            x = block(x)
        return x @ self.tied


@pytest.fixture
def model():
    return Model(rng=np.random.default_rng(0))


OWN_FIRST = ["tied", "encoder.gain", "encoder.hidden.weight", "encoder.hidden.bias", "blocks.1.weight"]


def test_parameters_are_found_once_parents_first(model):
    assert [name for name, _ in model.named_parameters()] == OWN_FIRST
    assert [p.shape for p in model.parameters()] == [(3, 3), (), (4, 5), (4,), (3, 3)]
    assert model.num_parameters() == 9 + 1 + 20 + 4 + 9


def test_constants_results_and_buffers_are_no_parameters(model):
    model.encoder.doubled = model.encoder.gain * 2.0  # has a graph, but is no leaf
    assert "encoder.constant" not in dict(model.named_parameters())
    assert "encoder.doubled" not in dict(model.named_parameters())
    assert "encoder.mask" not in dict(model.named_parameters())


def test_every_parameter_reaches_the_output(model):
    loss = (model(np.ones((2, 5), np.float32)) ** 2).sum()
    assert [g.shape for g in grad(loss, model.parameters())] == [p.shape for p in model.parameters()]


def test_state_dict_holds_parameters_buffers_and_every_name_of_a_shared_one(model):
    state = model.state_dict()
    assert set(state) == {*OWN_FIRST, "blocks.0.weight", "encoder.mask"}
    assert all(type(array) is np.ndarray for array in state.values())
    np.testing.assert_array_equal(state["blocks.0.weight"], state["tied"])
    before = model.encoder.gain.item()
    state["encoder.gain"] += 1.0
    state["encoder.mask"] += 1.0
    assert model.encoder.gain.item() == before  # copies
    assert model.encoder.mask.sum() == 3


def test_load_state_dict_restores_bit_for_bit_and_in_place(model):
    other = Model(rng=np.random.default_rng(1))
    arrays = [p.data for p in other.parameters()] + [other.encoder.mask]
    model.encoder.mask[0, 1] = 5.0
    other.load_state_dict(model.state_dict())
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], array, err_msg=name)
    assert all(a is b for a, b in zip([p.data for p in other.parameters()] + [other.encoder.mask], arrays))


@pytest.mark.parametrize("change, message", [
    (lambda s: s.pop("encoder.gain"), r"'encoder.gain' of shape \(\) is missing"),
    (lambda s: s.update(extra=np.zeros((2, 7))), r"'extra' of shape \(2, 7\) is unknown"),
    (lambda s: s.update({"encoder.hidden.bias": np.zeros(9)}),
     r"'encoder.hidden.bias' has shape \(9,\), expected \(4,\)"),
    (lambda s: s.update({"encoder.mask": np.zeros((4, 3), complex)}),
     "'encoder.mask' has dtype complex128, expected float32"),
    *[(lambda s, kind=kind: s.update({"encoder.mask": np.zeros((4, 3), kind)}), "'encoder.mask' has dtype")
      for kind in (int, bool, float, np.float16)],
])
def test_load_state_dict_is_strict_and_then_writes_nothing(model, change, message):
    other = Model(rng=np.random.default_rng(1))
    before = other.state_dict()
    state = model.state_dict()
    change(state)
    with pytest.raises(ValueError, match="Model.load_state_dict: " + message):
        other.load_state_dict(state)
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_a_long_list_of_errors_is_cut(model):
    with pytest.raises(ValueError, match="and 4 more"):
        model.load_state_dict({})


def test_buffers_are_copies():
    module, array = Module(), np.zeros(3)
    module.register_buffer("steps", array)
    array += 1.0
    assert module.steps.sum() == 0.0


@pytest.mark.parametrize("hide", [
    lambda module: [module], lambda module: (1, module.weight), lambda module: {"a": module},
    lambda module: [[1, [module]]], lambda module: {module}, lambda module: {"a": [{"b": module.weight}]},
    lambda module: {module: 1}, lambda module: collections.deque([module]), lambda module: frozenset([module.bias]),
])
def test_hidden_modules_and_parameters_are_refused(hide):
    module = Module()
    with pytest.raises(TypeError, match=r"Module.layers is a (list|tuple|dict|set|deque|frozenset) .* ModuleList"):
        module.layers = hide(Linear(2, 2, rng=np.random.default_rng(0)))
    module.sizes = [1, 2, np.ones(2), Tensor(1.0)]


QUERIES = {
    "parameters": lambda m: m.parameters(), "state_dict": lambda m: m.state_dict(), "eval": lambda m: m.eval(),
    "train": lambda m: m.train(), "load_state_dict": lambda m: m.load_state_dict({}), "repr": repr,
    "children": lambda m: m[0].children(), "num_parameters": lambda m: m.num_parameters(),
}
LATER = {
    "list": ([], lambda attribute, layer: attribute.append(layer)),
    "nested": ([[], 3], lambda attribute, layer: attribute[0].append(layer)),
    "dict": ({}, lambda attribute, layer: attribute.update(a=layer)),
    "set": (set(), lambda attribute, layer: attribute.add(layer)),
    "parameter": ({}, lambda attribute, layer: attribute.update(a={"b": [layer.weight]})),
}


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("kind", LATER)
def test_what_is_put_into_a_container_later_is_refused_by_every_question(kind, query):
    class Net(Module):
        def __init__(self):
            self.layers = copy.deepcopy(LATER[kind][0])

    outer = Sequential(Net())
    QUERIES["parameters"](outer)
    LATER[kind][1](outer[0].layers, Linear(2, 2, rng=np.random.default_rng(0)))
    with pytest.raises(TypeError, match=r"Net.layers is a (list|dict|set) of modules or parameters.* ModuleList"):
        QUERIES[query](outer)


def test_a_list_that_holds_itself_is_looked_through_once():
    module = Module()
    module.sizes = [1]
    module.sizes.append(module.sizes)
    assert module.parameters() == []


def test_a_child_may_know_its_parent():
    rng = np.random.default_rng(0)
    parent = Module()
    parent.weight = parameter(1.0)
    parent.child = Linear(2, 2, rng=rng)
    parent.child.parent = parent
    parent.child.itself = parent.child
    assert [name for name, _ in parent.named_modules()] == ["", "child"]
    assert [name for name, _ in parent.named_parameters()] == ["weight", "child.weight", "child.bias"]
    assert set(parent.state_dict()) == {"weight", "child.weight", "child.bias"}
    parent.load_state_dict(parent.state_dict())
    assert not parent.eval().child.training
    assert repr(parent) == "Module  7 parameters\n  child: Linear(2, 2)  7 parameters"
    assert copy.deepcopy(parent).child.parent is not parent


def test_evaluating_restores_the_mode_of_each_module():
    rng = np.random.default_rng(0)
    net = Sequential(Linear(2, 2, rng=rng), BatchNorm2d(2), Sequential(Dropout(0.5, rng=rng)))
    net[1].eval()  # frozen
    with pytest.raises(ZeroDivisionError), in_eval_mode(net) as same:
        assert same is net and not any(m.training for _, m in net.named_modules())
        1 / 0
    assert [m.training for _, m in net.named_modules()] == [True, True, False, True, True]


def test_train_and_eval_reach_all_and_return_the_module(model):
    assert model.training and model.encoder.hidden.training
    assert model.eval() is model
    assert not any(m.training for _, m in model.named_modules())
    assert model.train() is model
    assert all(m.training for _, m in model.named_modules())
    assert Model(rng=np.random.default_rng(0)).training  # the mode is the instance's, not the class's


def test_named_modules(model):
    names = [name for name, _ in model.named_modules()]
    assert names == ["", "encoder", "encoder.hidden", "blocks", "blocks.0", "blocks.1"]
    assert dict(model.named_modules())["blocks.1"] is model.blocks[1]


def test_module_list():
    rng = np.random.default_rng(0)
    layers = [Linear(2, n, rng=rng) for n in range(1, 13)]
    modules = ModuleList(layers[:11])
    assert modules.append(layers[11]) is modules
    assert len(modules) == 12
    assert list(modules) == layers  # "10" comes after "9", not after "1"
    assert modules[-1] is layers[-1]
    assert list(modules[2:4]) == layers[2:4] and type(modules[2:4]) is ModuleList
    with pytest.raises(TypeError, match="ModuleList: an item is a function, expected a Module"):
        modules.append(relu)


def test_a_module_list_grows_as_a_list_does():
    rng = np.random.default_rng(0)
    a, b, c, d, e = (Linear(1, n, rng=rng) for n in range(1, 6))
    modules = ModuleList([a])
    assert modules.extend([c]) is modules and modules.insert(1, b) is modules
    modules += [e]
    modules.insert(-1, d)
    assert list(modules) == [a, b, c, d, e]
    assert [name for name, _ in modules.named_parameters()][::2] == [f"{i}.weight" for i in range(5)]
    module = Module()
    module.layers = ModuleList()
    module.layers += [a, b]
    assert module.num_parameters() == a.num_parameters() + b.num_parameters()
    modules.extend(modules)
    assert len(modules) == 10
    for change in (lambda m: m.extend([relu]), lambda m: m.insert(0, relu)):
        with pytest.raises(TypeError, match="ModuleList: an item is a function"):
            change(modules)
    net = Sequential(a)
    net.insert(0, relu)
    net += [relu]
    assert [type(m) for m in net] == [Apply, Linear, Apply]


def test_module_dict():
    rng = np.random.default_rng(0)
    a, b, c = (Linear(1, n, rng=rng) for n in range(1, 4))
    modules = ModuleDict({"a": a})
    modules["b"] = b
    modules.update([("c", c)])
    assert list(modules) == modules.keys() == ["a", "b", "c"] and modules.values() == [a, b, c]
    assert modules.items() == [("a", a), ("b", b), ("c", c)] and len(modules) == 3
    assert modules["b"] is b and "b" in modules and "d" not in modules
    assert [name for name, _ in modules.named_parameters()] == [f"{k}.{n}" for k in "abc" for n in ("weight", "bias")]
    del modules["a"]
    assert list(modules) == ["b", "c"]
    for key in ("d", "training"):
        with pytest.raises(KeyError):
            modules[key]
    with pytest.raises(KeyError):
        del modules["training"]
    with pytest.raises(TypeError, match="ModuleDict: an item is a function, expected a Module"):
        modules["d"] = relu
    for key in ("keys", "forward", "training", "a.b", "", 3):
        with pytest.raises(ValueError, match="ModuleDict: the key .* must be a word without dots that is no attribute"):
            modules[key] = a


def test_repr_is_a_tree_with_counts():
    rng = np.random.default_rng(0)
    net = Sequential(MLP([784, 500, 10], relu, rng=rng), Dropout(0.25, rng=rng))
    assert repr(net) == "\n".join([
        "Sequential  397,510 parameters",
        "  0: MLP  397,510 parameters",
        "    0: Linear(784, 500)  392,500 parameters",
        "    1: Apply(relu)",
        "    2: Linear(500, 10)  5,010 parameters",
        "  1: Dropout(p=0.25)",
    ])


def test_forward_must_be_defined():
    with pytest.raises(NotImplementedError, match="Module defines no forward"):
        Module()(1.0)


def test_names_order_and_layouts_are_those_of_torch():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(
        torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Sequential(torch.nn.Linear(5, 4, bias=False))
    )
    rng = np.random.default_rng(0)
    ours = Sequential(Linear(6, 5, rng=rng), relu, Sequential(Linear(5, 4, bias=False, rng=rng)))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    x = rng.standard_normal((3, 6)).astype(np.float32)
    np.testing.assert_allclose(ours(x).numpy(), theirs(torch.from_numpy(x)).detach().numpy(), atol=1e-6)
    theirs.load_state_dict({name: torch.from_numpy(a) for name, a in ours.state_dict().items()})


# The engine's package name is also another package's


def import_minigen_in(folder, *path, options=()):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(p) for p in path), "PYTHONSAFEPATH": "1"}
    return subprocess.run([sys.executable, *options, "-c", "import minigen; print('imported')"], cwd=folder,
                          env=environment, capture_output=True, text=True)


ROOT = pathlib.Path(minigen.__file__).parents[1]


def test_the_engine_that_belongs_to_minigen_is_accepted(tmp_path):
    assert import_minigen_in(tmp_path, ROOT).stdout == "imported\n"


@pytest.mark.parametrize("place", ["autograd/__init__.py", "autograd.py"])
def test_another_package_of_the_engines_name_is_refused(tmp_path, place):
    file = tmp_path / place
    file.parent.mkdir(exist_ok=True)
    file.write_text("def grad(f): pass\ndef elementwise_grad(f): pass\n")
    result = import_minigen_in(tmp_path, tmp_path, ROOT)
    assert result.returncode == 1
    assert "ImportError: minigen comes with a package named 'autograd' of its own" in result.stderr
    assert str(file) in result.stderr and "pip uninstall autograd" in result.stderr


def test_an_engine_whose_init_another_package_took_away_is_refused(tmp_path):
    """What is left when both were installed and the other one was uninstalled: our files, no __init__.py."""
    for folder, names in (("autograd", ["tensor.py"]), ("minigen", ["__init__.py"])):
        (tmp_path / folder).mkdir()
        for name in names:
            shutil.copy(ROOT / folder / name, tmp_path / folder)
    result = import_minigen_in(tmp_path, tmp_path, options=["-S"])  # an installed minigen must not step in
    assert result.returncode == 1
    assert "ImportError: minigen comes with a package named 'autograd' of its own" in result.stderr


def test_a_thawed_copy_is_trained_and_the_frozen_module_is_not(model):
    x, names = Tensor(np.ones((2, 5))), [name for name, _ in model.named_parameters()]
    frozen = Frozen(model)
    copied, before = thawed(frozen), frozen(x).numpy().copy()
    assert [name for name, _ in copied.named_parameters()] == names and not frozen.module.parameters()
    np.testing.assert_array_equal(copied(x).numpy(), before)
    assert copied.training and not frozen.training and copied.tied is copied.blocks[0].weight
    for p in copied.parameters():
        p.assign(2.0)
    np.testing.assert_array_equal(frozen(x).numpy(), before)
