"""The plain layers: Linear, Embedding, Dropout, LayerNorm; Sequential and MLP to stack them.

Names, arguments, layouts and initial distributions are torch.nn's. What is random takes `rng`: layers draw
their weights from it once, and Dropout keeps it to draw from on every call.

Symbols: D width of a layer. Read before this: module.py, init.py.
"""
import copy
import itertools
import math
import pickle

from autograd import dropout, embedding, linear, parameter
from autograd.backend import default_dtype, xp
from autograd.norm import layer_norm

from . import init
from .module import Module, ModuleList


class Linear(Module):
    """y = x W^T + b over the last axis: (..., in_features) -> (..., out_features).

    Weight (out_features, in_features) and bias (out_features,) start as U(-k, k), k = 1 / sqrt(in_features):
    torch's default, there written as kaiming_uniform(a=sqrt(5)).
    """

    def __init__(self, in_features, out_features, bias=True, *, rng):
        if min(in_features, out_features) < 1:
            raise ValueError(f"Linear: from {in_features} to {out_features} numbers, expected at least 1 each")
        k = 1.0 / math.sqrt(in_features)
        self.weight = parameter(init.uniform((out_features, in_features), -k, k, rng=rng))
        self.bias = parameter(init.uniform((out_features,), -k, k, rng=rng)) if bias else None

    def forward(self, input):
        return linear(input, self.weight, self.bias)

    def extra_repr(self):
        out_features, in_features = self.weight.shape
        return f"{in_features}, {out_features}" + (", bias=False" if self.bias is None else "")


class Embedding(Module):
    """The rows of a table at the integers of the input: (...) -> (..., embedding_dim).

    Weight (num_embeddings, embedding_dim), from N(0, 1); the row padding_idx, if given, starts as 0 and stays so.
    """

    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, *, rng):
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"Embedding: padding_idx is {padding_idx}, expected a row of {num_embeddings}")
        weight = init.normal((num_embeddings, embedding_dim), rng=rng)
        if padding_idx is not None:
            weight[padding_idx] = 0.0
        self.weight, self.padding_idx = parameter(weight), padding_idx

    def forward(self, input):
        return embedding(input, self.weight, self.padding_idx)

    def extra_repr(self):
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return "{}, {}".format(*self.weight.shape) + padding


class Dropout(Module):
    """In training, zeroes each element with probability p and multiplies the others by 1 / (1 - p).

    Srivastava et al. 2014, with the factor in training and not in use. Every call draws from `rng`, the very
    object that is given here: whoever restores its state restores the masks.
    """

    def __init__(self, p=0.5, *, rng):
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"Dropout: p is {p}, expected a probability from 0 to 1")
        self.p, self.rng = p, rng

    def forward(self, input):
        return dropout(input, self.p, self.training, rng=self.rng)

    def extra_repr(self):
        return f"p={self.p}"


class LayerNorm(Module):
    """(x - mean) / sqrt(var + eps) * weight + bias, with the moments of each item over its last axes.

    normalized_shape: the sizes of those axes, or one int. Weight and bias have that shape and start as 1 and
    0. Source: Ba, Kiros & Hinton 2016, eq. 4.
    """

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True):
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape, self.eps = shape, eps
        self.weight = parameter(xp.ones(shape, default_dtype)) if elementwise_affine else None
        self.bias = parameter(xp.zeros(shape, default_dtype)) if elementwise_affine and bias else None

    def forward(self, input):
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        affine = "" if self.weight is not None else ", elementwise_affine=False"
        return f"{self.normalized_shape}, eps={self.eps}{affine}"


class Sequential(ModuleList):
    """Applies its layers in order. A layer is a Module, or a plain function of one tensor such as relu.

    As in torch an activation takes a number too: "0.weight", "2.weight", ...
    """

    def __init__(self, *layers):
        super().__init__(layers)

    def _item(self, layer):
        return layer if isinstance(layer, Module) else Apply(layer)

    def forward(self, input):
        for layer in self:
            input = layer(input)
        return input

    def __getitem__(self, index):
        """The layer at an integer index; a Sequential of those in a slice, which shares their parameters."""
        return Sequential(*self.children()[index]) if isinstance(index, slice) else self.children()[index]


class Apply(Module):
    """A function of one tensor as a Module without parameters. Pickled, and so part of a model that is, by its name: a
    lambda has none."""

    def __init__(self, function):
        if not callable(function):
            raise TypeError(f"Apply: function is {function!r}, expected a Module or a function of one tensor")
        self.function = function

    def forward(self, input):
        return self.function(input)

    def __reduce_ex__(self, protocol):
        if "<" in getattr(self.function, "__qualname__", ""):  # <lambda>, or f.<locals>.g
            raise pickle.PicklingError(f"Apply: {self.function.__qualname__} cannot be pickled, no file names it: "
                                       "write a def outside of all others, a functools.partial, or a Module")
        return super().__reduce_ex__(protocol)

    def __copy__(self):
        copied = Apply(self.function)
        vars(copied).update(vars(self))
        return copied

    def __deepcopy__(self, memo):
        copied = Apply(self.function)
        vars(copied).update(copy.deepcopy(vars(self), memo))
        return copied

    def extra_repr(self):
        return getattr(self.function, "__name__", repr(self.function))


class MLP(Sequential):
    """Linear layers of the given sizes with an activation between them: sizes (784, 500, 40) are two layers.

    activation, final_activation: functions of one tensor; the latter, if given, follows the last layer.
    """

    def __init__(self, sizes, activation, *, rng, final_activation=None):
        if len(sizes) < 2:
            raise ValueError(f"MLP: sizes is {sizes!r}, expected at least an input and an output size")
        super().__init__()
        for i, (D_in, D_out) in enumerate(itertools.pairwise(sizes)):
            if i > 0:
                self.append(activation)
            self.append(Linear(D_in, D_out, rng=rng))
        if final_activation is not None:
            self.append(final_activation)
