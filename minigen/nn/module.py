"""Module: a function with parameters, and the tree that modules form.

    class Encoder(Module):
        def __init__(self, *, rng):
            self.hidden = Linear(784, 200, rng=rng)         # a child, with "hidden.weight" and "hidden.bias"
            self.gain = parameter(1.0)                      # a parameter of its own, "gain"
            self.register_buffer("mask", np.eye(200, 3))    # an array that is saved but not trained

        def forward(self, x):                               # (N, 784)
            return relu(self.hidden(x)) @ (self.gain * self.mask)

There is no registry. A module's attributes are looked through whenever something is asked of it: a leaf
Tensor is a parameter, a Module is a child. A dotted name is a path through the attributes; those of the
layers in this package are torch.nn's, so weights travel both ways.

Read before this: autograd/tensor.py. Read next: layers.py.
"""
import numpy as np

from autograd.backend import asarray, to_numpy, xp
from autograd.tensor import is_parameter


class Module:
    """Base class: define `forward`, and call the module. No super().__init__() is needed."""

    training = True  # whether forward is for training; eval() turns it off
    _buffers = ()  # the names of the attributes that are buffers

    def forward(self, *args, **kwargs):
        raise NotImplementedError(f"{type(self).__name__} defines no forward")

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)

    def __setattr__(self, name, value):
        items = value.values() if isinstance(value, dict) else value
        if isinstance(value, (list, tuple, dict)) and any(_belongs(item) for item in items):
            raise TypeError(
                f"{type(self).__name__}.{name} is a {type(value).__name__} of modules or parameters, which "
                "would not be found, nor trained; use ModuleList([...]), or an attribute for each"
            )
        super().__setattr__(name, value)

    def register_buffer(self, name, array):
        """Makes self.<name> a copy of array, which is saved along with the parameters but is not one."""
        setattr(self, name, xp.array(array))
        self._buffers = (*self._buffers, name)

    # The tree

    def named_children(self):
        """(attribute name, module) for the modules right below this one."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]

    def children(self):
        """The modules right below this one."""
        return [child for _, child in self.named_children()]

    def named_modules(self, prefix=""):
        """(dotted name, module) for this module, named by the prefix, and all below it; parents first."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(_dotted(prefix, name))

    def named_parameters(self):
        """(dotted name, parameter) for all of the tree, each once: a shared one under its first name."""
        seen = set()
        for path, module in self.named_modules():
            for name, value in vars(module).items():
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
        """Writes the arrays of a state_dict into this module's parameters and buffers, in place.

        ValueError names what is missing, left over, or of another shape or dtype; then nothing is written.
        """
        copy_into(self._arrays(), state, f"{type(self).__name__}.load_state_dict")

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
        arguments, count = self.extra_repr(), self.num_parameters()
        head = type(self).__name__ + (f"({arguments})" if arguments else "")
        lines = [head + (f"  {count:,} parameters" if count else "")]
        for name, child in self.named_children():
            lines += f"{name}: {child!r}".split("\n")
        return "\n  ".join(lines)


class ModuleList(Module):
    """A list of modules whose parameters are found: names "0.weight", "1.weight", ..."""

    def __init__(self, modules=()):
        for module in modules:
            self.append(module)

    def append(self, module):
        """Adds a module at the end. Returns the list."""
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__}: an item is a {type(module).__name__}, expected a Module")
        setattr(self, str(len(self)), module)
        return self

    def __len__(self):
        return len(self.children())

    def __iter__(self):
        return iter(self.children())

    def __getitem__(self, index):
        """The module at an integer index; a ModuleList of those in a slice."""
        return ModuleList(self.children()[index]) if isinstance(index, slice) else self.children()[index]


def copy_into(arrays, state, caller) -> None:
    """Writes state[name] into arrays[name], in place, for every name: the strict loading of every state_dict.

    arrays: dict of name -> array to overwrite. caller: what an error begins with. ValueError names the first
    entries that are missing, left over, or of another shape or dtype; then nothing is written.
    """
    wrong = [f"{name!r} of shape {a.shape} is missing" for name, a in arrays.items() if name not in state]
    wrong += [f"{name!r} of shape {a.shape} is unknown" for name, a in state.items() if name not in arrays]
    for name, found, expected in [(name, state[name], a) for name, a in arrays.items() if name in state]:
        if found.shape != expected.shape:
            wrong.append(f"{name!r} has shape {found.shape}, expected {expected.shape}")
        elif not np.can_cast(found.dtype, expected.dtype, "same_kind"):
            wrong.append(f"{name!r} has dtype {found.dtype}, expected {expected.dtype}")
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ValueError(f"{caller}: {'; '.join(wrong[:3])}{more}: the state is of something built with "
                         "other arguments; build this one with the same")
    for name, array in arrays.items():
        array[...] = asarray(state[name])


def _belongs(value):
    return isinstance(value, Module) or is_parameter(value)


def _dotted(prefix, name):
    return f"{prefix}.{name}" if prefix else name
