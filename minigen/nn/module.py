"""Module: a function with parameters, and the tree that modules form.

    class Encoder(Module):
        def __init__(self, *, rng):
            self.hidden = Linear(784, 200, rng=rng)         # a child, with "hidden.weight" and "hidden.bias"
            self.gain = parameter(1.0)                      # a parameter of its own, "gain"
            self.register_buffer("mask", xp.eye(200, 3, dtype=default_dtype))  # an array that is saved but not trained

        def forward(self, x):                               # (N, 784)
            return relu(self.hidden(x)) @ (self.gain * self.mask)

There is no registry. A module's attributes are looked through whenever something is asked of it: a leaf
Tensor is a parameter, a Module is a child; one that hides in a list is an error. A dotted name is a path
through the attributes; those of the layers in this package are torch.nn's, so weights travel both ways.

Read before this: autograd/tensor.py. Read next: layers.py.
"""
import collections
import contextlib

import numpy as np

from autograd.backend import asarray, to_numpy, xp
from autograd.tensor import Tensor, is_parameter


class Module:
    """Base class: define `forward`, and call the module. No super().__init__() is needed.

    >>> from autograd import parameter
    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope, self.start = parameter(2.0), parameter(-1.0)
    ...     def forward(self, x):
    ...         return self.slope * x + self.start
    >>> line = Line()
    >>> line(3.0)
    Tensor(5., requires_grad, shape=())
    >>> [name for name, _ in line.named_parameters()]
    ['slope', 'start']
    """

    training = True  # whether forward is for training; eval() turns it off
    _buffers = ()  # the names of the attributes that are buffers

    def forward(self, *args, **kwargs):
        raise NotImplementedError(f"{type(self).__name__} defines no forward")

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)

    def __setattr__(self, name, value):
        self._refuse_hidden(name, value)
        super().__setattr__(name, value)

    def _refuse_hidden(self, name, value):
        if _hides(value):
            raise TypeError(
                f"{type(self).__name__}.{name} is a {type(value).__name__} of modules or parameters, which "
                "would not be found, nor trained; use ModuleList([...]) or ModuleDict({...}), or an attribute for each"
            )

    def _attributes(self):
        """(name, value) of all attributes. TypeError if a container has taken in modules or parameters since it was
        set, as a list does by append."""
        for name, value in vars(self).items():
            self._refuse_hidden(name, value)
        return vars(self).items()

    def register_buffer(self, name, array):
        """Makes self.<name> a copy of array, which is saved along with the parameters but is not one."""
        setattr(self, name, xp.array(array))
        self._buffers = (*self._buffers, name)

    # The tree

    def named_children(self):
        """(attribute name, module) for the modules right below this one."""
        return [(name, value) for name, value in self._attributes() if isinstance(value, Module)]

    def children(self):
        """The modules right below this one."""
        return [child for _, child in self.named_children()]

    def named_modules(self, prefix=""):
        """(dotted name, module) for this module, named by the prefix, and all below it; parents first."""
        return _tree(self, prefix, ())

    def named_parameters(self):
        """(dotted name, parameter) for all of the tree, each once: a shared one under its first name."""
        seen = set()
        for path, module in self.named_modules():
            for name, value in module._attributes():
                if is_parameter(value) and id(value) not in seen:
                    seen.add(id(value))
                    yield _dotted(path, name), value

    def parameters(self):
        """All parameters of the tree as a list, each once, in a fixed order."""
        return [p for _, p in self.named_parameters()]

    def num_parameters(self) -> int:
        """How many numbers are trained."""
        return sum(p.size for p in self.parameters())

    # Modes

    def train(self, mode=True):
        """Sets the whole tree to training mode, or with mode=False to evaluation mode. Returns the module."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self):
        """Sets the whole tree to evaluation mode: no dropout, for example. Returns the module."""
        return self.train(False)

    # Saving and loading

    def state_dict(self) -> dict:
        """Dotted name -> NumPy array, a copy, for all parameters and buffers."""
        return {name: np.array(to_numpy(array)) for name, array in self._arrays().items()}

    def load_state_dict(self, state) -> None:
        """Writes the arrays of a state_dict, this package's or PyTorch's, into the parameters and buffers, in place.

        ValueError names what is missing, left over, or of another shape or dtype; then nothing is written.
        """
        copy_into(self._arrays(), state, f"{type(self).__name__}.load_state_dict")
        for p in self.parameters():
            p.mark_changed()

    def _arrays(self):
        arrays = {}
        for path, module in self.named_modules():
            own = {name: value.data for name, value in vars(module).items() if is_parameter(value)}
            own |= {name: getattr(module, name) for name in module._buffers}
            arrays |= {_dotted(path, name): array for name, array in own.items()}
        return arrays

    # Printing

    def extra_repr(self) -> str:
        """What stands in parentheses on the module's own line."""
        return ""

    def __repr__(self):
        return _drawn(self, ())


class ModuleList(Module):
    """A list of modules whose parameters are found: names "0.weight", "1.weight", ..."""

    def __init__(self, modules=()):
        self.extend(modules)

    def append(self, module):
        """Adds a module at the end. Returns the list, as extend and insert do."""
        setattr(self, str(len(self)), self._item(module))
        return self

    def extend(self, modules):
        """Adds several modules at the end."""
        for module in list(modules):
            self.append(module)
        return self

    def __iadd__(self, modules):
        return self.extend(modules)

    def insert(self, index, module):
        """Adds a module before the one at index; those behind it move up by one."""
        modules = self.children()
        modules.insert(index, self._item(module))
        for i, module in enumerate(modules):
            setattr(self, str(i), module)
        return self

    def _item(self, module):
        return _checked(self, module)

    def __len__(self):
        return len(self.children())

    def __iter__(self):
        return iter(self.children())

    def __getitem__(self, index):
        """The module at an integer index; a ModuleList of those in a slice."""
        return ModuleList(self.children()[index]) if isinstance(index, slice) else self.children()[index]


class ModuleDict(Module):
    """A dict of modules whose parameters are found: names "<key>.weight". Keys are words, in order of arrival."""

    def __init__(self, modules=()):
        self.update(modules)

    def __setitem__(self, key, module):
        if not isinstance(key, str) or not key or "." in key or hasattr(type(self), key):
            raise ValueError(f"{type(self).__name__}: the key {key!r} must be a word without dots that is no attribute")
        setattr(self, key, _checked(self, module))

    def __getitem__(self, key):
        return dict(self.items())[key]

    def __delitem__(self, key):
        self[key]  # KeyError if there is none
        delattr(self, key)

    def __contains__(self, key):
        return key in self.keys()

    def __len__(self):
        return len(self.items())

    def __iter__(self):
        return iter(self.keys())

    def update(self, modules):
        """Adds modules from a dict, or from (key, module) pairs."""
        for key, module in dict(modules).items():
            self[key] = module

    def keys(self):
        """The keys, a list."""
        return [key for key, _ in self.items()]

    def values(self):
        """The modules, a list."""
        return self.children()

    def items(self):
        """(key, module) for each, a list."""
        return self.named_children()


@contextlib.contextmanager
def in_eval_mode(module):
    """Context in which the whole tree is in evaluation mode. On leaving it each module is in the mode that it was in,
    so that one that was frozen on its own stays so."""
    modes = [(m, m.training) for _, m in module.named_modules()]
    module.eval()
    try:
        yield module
    finally:
        for m, mode in modes:
            m.training = mode


def copy_into(arrays, state, caller) -> None:
    """Writes state[name] into arrays[name], in place, for every name: the strict loading of every state_dict.

    arrays: dict of name -> array to overwrite. state: arrays, Tensors, or PyTorch's tensors. caller: what an error
    begins with. ValueError names the first entries that are missing, left over, or of another shape or dtype; then
    nothing is written.
    """
    state = {name: _as_array(value) for name, value in state.items()}
    wrong = [f"{name!r} of shape {a.shape} is missing" for name, a in arrays.items() if name not in state]
    wrong += [f"{name!r} of shape {a.shape} is unknown" for name, a in state.items() if name not in arrays]
    for name, found, expected in [(name, state[name], a) for name, a in arrays.items() if name in state]:
        if found.shape != expected.shape:
            wrong.append(f"{name!r} has shape {found.shape}, expected {expected.shape}")
        elif found.dtype != expected.dtype and not (found.dtype.kind == expected.dtype.kind == "i"):
            wrong.append(f"{name!r} has dtype {found.dtype}, expected {expected.dtype}")
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ValueError(f"{caller}: {'; '.join(wrong[:3])}{more}: the state is of something built with "
                         "other arguments; build this one with the same")
    for name, array in arrays.items():
        array[...] = asarray(state[name])


def _as_array(value):
    if isinstance(value, Tensor):
        return value.data
    return value if isinstance(value, xp.ndarray) else np.asarray(value)


def _hides(value, seen=()):
    """Whether a container, or one within it, holds modules or parameters."""
    if not isinstance(value, (list, tuple, set, frozenset, dict, collections.deque)) or id(value) in seen:
        return False
    items = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    return any(isinstance(x, Module) or is_parameter(x) or _hides(x, (*seen, id(value))) for x in items)


def _checked(container, module):
    if not isinstance(module, Module):
        raise TypeError(f"{type(container).__name__}: an item is a {type(module).__name__}, expected a Module")
    return module


def _below(module, above):
    """named_children, without those that the module is itself below: a child may know its parent."""
    return [(name, child) for name, child in module.named_children() if all(child is not m for m in (*above, module))]


def _tree(module, name, above):
    yield name, module
    for own_name, child in _below(module, above):
        yield from _tree(child, _dotted(name, own_name), (*above, module))


def _drawn(module, above):
    arguments, count = module.extra_repr(), module.num_parameters()
    head = type(module).__name__ + (f"({arguments})" if arguments else "")
    lines = [head + (f"  {count:,} parameters" if count else "")]
    for name, child in _below(module, above):
        lines += f"{name}: {_drawn(child, (*above, module))}".split("\n")
    return "\n  ".join(lines)


def _dotted(prefix, name):
    return f"{prefix}.{name}" if prefix else name
