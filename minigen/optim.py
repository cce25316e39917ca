"""Optimizers in order of complexity: SGD, with momentum, Adam, AdamW; then clipping and schedules.

    adam = Adam(model.parameters(), lr=linear_warmup(cosine_decay(1e-3), 0.02))
    grads = grad(loss, adam.params)
    factor, norm = clip_factor(grads, max_norm=1.0)
    adam.step(grads, scale=factor, done=step / steps)

An optimizer holds a list of parameters and, for each, some arrays of its shape: the state (m and v in Adam).
A step hands `update` one block of rows of a parameter at a time, with these rows of its gradient and state. A
block fits into the processor's cache: temporaries stay there, and the rule can be written as in the paper. The cores
share the blocks.

A learning rate is a number, or a function of `done`, how much of the training is over, from 0 to 1: train.py's clock.
So a schedule is right for a run of any length.

Symbols: theta parameters, g gradient, t = 1, 2, ... the number of this step, lr learning rate (alpha or gamma
in the papers). Read before this: autograd/tensor.py. Read next: ema.py.
"""
import math
from functools import partial

import numpy as np

from autograd import Tensor, gpu
from autograd.backend import by_device, device, to_numpy, xp
from autograd.cpu.threads import parallel_for

from .nn.module import copy_into

BLOCK = 2**15  # elements; the arrays that Adam's rule goes through then take about 0.7 MB


class Optimizer:
    """What all have in common. lr: a number, or a schedule, a function from done in [0, 1] to one."""

    slots = ()  # the names of the state arrays that each parameter has

    def __init__(self, params, lr):
        self.params = list(params)
        if not self.params:
            raise ValueError(f"{type(self).__name__}: params is empty; pass module.parameters()")
        if len(set(self.params)) < len(self.params):
            raise ValueError(f"{type(self).__name__}: a parameter is in params twice, and would be moved twice a step")
        self.lr = lr
        self.steps = 0
        self.state = {slot: [xp.zeros_like(p.data) for p in self.params] for slot in self.slots}

    def rate(self, done=None) -> float:
        """The learning rate when so much of the training is over. ValueError if it is a schedule, and done is None."""
        if callable(self.lr) and done is None:
            raise ValueError(f"{type(self).__name__}: lr is a schedule, a function of how much of the training is "
                             "over; pass done=step / steps")
        return float(self.lr(done) if callable(self.lr) else self.lr)  # a NumPy float64 would widen the arithmetic

    def step(self, grads, scale=1.0, done=None) -> None:
        """Updates the parameters in place.

        grads: a Tensor or array per parameter, in the order of params, or None for one that took no part and stays as
        it is; they are multiplied by scale, and not written to. done: how much of the training is over, for a schedule.
        ValueError if the number of gradients or a shape is wrong.
        """
        grads = [g.data if isinstance(g, Tensor) else g for g in grads]
        self._check(grads)
        lr = self.rate(done)
        self.steps += 1
        self.apply(grads, scale, lr, self.steps)
        for p in self.params:
            p.mark_changed()

    def apply(self, grads, scale, lr, t) -> None:
        """Step t for all parameters that have a gradient."""
        work = [[array[rows] for array in group] for group in self._rows(grads) for rows in blocks(group[0])]

        def update(part):
            for theta, g, *state in work[part]:
                self.update(theta, g if scale == 1.0 else g * scale, *state, lr=lr, t=t)

        parallel_for(update, len(work), sum(theta.size for theta, *_ in work))

    def _rows(self, grads):
        """(theta, g, *state) of each parameter that has a gradient."""
        rows = zip(self.params, grads, *self.state.values())
        return [(p.data, g, *state) for p, g, *state in rows if g is not None]

    def update(self, theta, g, *state, lr, t) -> None:
        """The rule: writes step t into theta and the state, in place."""
        raise NotImplementedError(f"{type(self).__name__} defines no update")

    def state_dict(self) -> dict:
        """"steps", and "m.0", "m.1", ... for the state of each parameter: NumPy arrays, copies."""
        state = {name: np.array(to_numpy(array)) for name, array in self._arrays().items()}
        return {"steps": np.array(self.steps), **state}

    def load_state_dict(self, state) -> None:
        """Restores a state_dict bit for bit. ValueError names what is missing, unknown or misshapen."""
        steps = xp.zeros((), np.int64)
        copy_into({"steps": steps, **self._arrays()}, state, f"{type(self).__name__}.load_state_dict")
        self.steps = int(steps)

    def _arrays(self):
        return {f"{slot}.{i}": array for slot, arrays in self.state.items() for i, array in enumerate(arrays)}

    def _check(self, grads):
        name = type(self).__name__
        if len(grads) != len(self.params):
            raise ValueError(f"{name}.step: {len(grads)} gradients for {len(self.params)} parameters; "
                             "pass one per parameter, in the order of params")
        for i, (p, g) in enumerate(zip(self.params, grads)):
            if g is not None and np.shape(g) != p.shape:
                raise ValueError(f"{name}.step: grads[{i}] has shape {np.shape(g)}, its parameter has shape {p.shape}")

    def describe(self) -> dict:
        """What kind of optimizer this is, in plain numbers: for comparison with another."""
        rates = [self.rate(done) for done in (0.0, 0.25, 0.5, 0.75, 1.0)]
        return {"kind": type(self).__name__, "rates": rates, "parameters": len(self.params)}


class SGD(Optimizer):
    """Stochastic gradient descent, theta <- theta - lr g (Robbins & Monro 1951).

    momentum: mu, the decay of the velocity b, a sum of past gradients (Polyak 1964; in torch.optim's form, lr
    is no part of it). nesterov: looks one step ahead along b (Sutskever et al. 2013). weight_decay: lambda of
    a penalty lambda/2 |theta|^2.
    """

    def __init__(self, params, lr, momentum=0.0, nesterov=False, weight_decay=0.0):
        if nesterov and momentum == 0:
            raise ValueError("SGD: nesterov looks ahead along the momentum, which is 0; pass momentum=0.9")
        self.momentum, self.nesterov, self.weight_decay = momentum, nesterov, weight_decay
        self.slots = ("b",) if momentum else ()
        super().__init__(params, lr)

    def update(self, theta, g, b=None, *, lr, t):
        mu = self.momentum
        if self.weight_decay:
            g = g + self.weight_decay * theta
        if mu:
            b *= mu
            b += g  # b_t = mu b_{t-1} + g_t
            g = g + mu * b if self.nesterov else b
        theta -= lr * g  # theta_t = theta_{t-1} - lr g_t


class Adam(Optimizer):
    """Moves each element by about lr: the mean of its gradients over the root of their mean square.

    betas: decay rates of the two means. eps: keeps the quotient finite. Kingma & Ba 2015, algorithm 1.

    >>> from autograd import parameter
    >>> theta = parameter([1.0, 1.0])
    >>> Adam([theta], lr=0.1).step([Tensor([5.0, -0.002])])
    >>> theta
    Tensor([0.9 1.1], requires_grad, shape=(2,))
    """

    slots = ("m", "v")
    weight_decay = 0.0  # AdamW's

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, lr)
        self.betas, self.eps = betas, eps

    def _apply_by_kernel(self, grads, scale, lr, t) -> None:
        rows = self._rows(grads)
        theta, grads, m, v = ([row[i] for row in rows] for i in range(4))
        beta1, beta2 = self.betas
        gpu.adam.adam(theta, grads, m, v, lr=lr, t=t, scale=scale, beta1=beta1, beta2=beta2, eps=self.eps,
                      decay=self.weight_decay)

    apply = by_device(Optimizer.apply, _apply_by_kernel)  # on a GPU lr and t may be arrays (1,) in its memory

    def update(self, theta, g, m, v, *, lr, t):
        beta1, beta2 = self.betas
        m *= beta1
        m += (1 - beta1) * g  # m_t = beta1 m_{t-1} + (1 - beta1) g_t
        v *= beta2
        v += (1 - beta2) * g * g  # v_t = beta2 v_{t-1} + (1 - beta2) g_t^2
        # As m and v start at 0, they are too small at first by the factors 1 - beta1^t and 1 - beta2^t.
        root_v_hat = xp.sqrt(v) * (1 / math.sqrt(1 - beta2**t))  # v_hat_t = v_t / (1 - beta2^t)
        theta -= lr / (1 - beta1**t) * m / (root_v_hat + self.eps)  # lr m_hat_t / (sqrt(v_hat_t) + eps)


class AdamW(Adam):
    """Adam with the weight decay kept out of the gradient, so that sqrt(v) does not divide it.

    Loshchilov & Hutter 2019, algorithm 2, in torch.optim's form, where lr multiplies the decay too.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        super().__init__(params, lr, betas, eps)
        self.weight_decay = weight_decay

    def update(self, theta, g, m, v, *, lr, t):
        theta *= 1 - lr * self.weight_decay  # theta_{t-1} - lr lambda theta_{t-1}
        super().update(theta, g, m, v, lr=lr, t=t)


def blocks(array):
    """Indices that cut an array along axis 0 into views of about BLOCK elements; on a GPU, into one."""
    if array.size <= BLOCK or device() == "cuda":
        return [...]
    rows = max(1, BLOCK * len(array) // array.size)
    return [slice(i, i + rows) for i in range(0, len(array), rows)]


def clip_factor(grads, max_norm):
    """(factor, norm): the norm of all gradients together, and what to multiply them by so that it is at most
    max_norm. The norm is inf or NaN where a gradient is; None counts as 0. Pascanu et al. 2013, algorithm 1."""
    norms = [xp.linalg.norm(g.data if isinstance(g, Tensor) else g) for g in grads if g is not None]
    norm = float(xp.linalg.norm(xp.stack(norms))) if norms else 0.0
    return (max_norm / norm if norm > max_norm else 1.0), norm


# Optimizers that still wait for their parameters: what a recipe names.


def sgd(lr, **settings):
    """params -> SGD(params, lr, ...)."""
    return partial(SGD, lr=lr, **settings)


def adam(lr, **settings):
    """params -> Adam(params, lr, ...)."""
    return partial(Adam, lr=lr, **settings)


def adamw(lr, **settings):
    """params -> AdamW(params, lr, ...)."""
    return partial(AdamW, lr=lr, **settings)


# Schedules: functions from done, how much of the training is over, to the learning rate.


def step_decay(lr, at, factor=0.1):
    """lr, multiplied by factor each time that one of these shares of the training is over."""
    return partial(_steps, lr, at, factor)


def cosine_decay(lr, final=0.0):
    """From lr to final along half a cosine. Loshchilov & Hutter 2017, eq. 5.

    >>> rate = cosine_decay(1e-3)
    >>> rate(0.0), rate(0.5), rate(1.0)
    (0.001, 0.0005, 0.0)
    """
    return partial(_half_cosine, lr, final)


def linear_decay(lr, after=0.5):
    """lr until this share of the training is over, then falling to 0 along a line."""
    if not 0.0 <= after < 1.0:
        raise ValueError(f"linear_decay: after is {after}, expected a part of the training, from 0 to below 1")
    return partial(_line, lr, after)


def linear_warmup(schedule, share):
    """Another schedule (or a number), multiplied by what rises from 0 to 1 in the first share of the training."""
    if not 0.0 < share <= 1.0:
        raise ValueError(f"linear_warmup: share is {share}, expected a part of the training, above 0 and at most 1")
    return partial(_warmed_up, schedule, share)


# The same with all arguments: a function that has a name can be copied and pickled, as a lambda cannot.


def _steps(lr, at, factor, done):
    return lr * factor ** sum(done >= share for share in at)


def _half_cosine(lr, final, done):
    return final + 0.5 * (lr - final) * (1.0 + math.cos(math.pi * done))


def _line(lr, after, done):
    return lr * min(1.0, (1.0 - done) / (1.0 - after))


def _warmed_up(schedule, share, done):
    return (schedule(done) if callable(schedule) else schedule) * min(1.0, done / share)
