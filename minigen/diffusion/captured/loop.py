"""The noise-prediction loop without Python in it: training step and sampling as CUDA graphs that are replayed.

    training = TrainingLoop(network, schedule, Adam(network.parameters()), batch.shape, seed=0)
    loss = training(batch)                    # an array (), the loss of this step
    sampling = SamplingLoop(network, schedule.levels(100), move_ddim(), (64, 1, 28, 28), seed=0)
    x_0 = sampling()                          # an array (64, 1, 28, 28)

On small images a GPU computes faster than Python can ask it to: a step is hundreds of launches of a few microseconds
each. Both loops do what algorithms 1 and 2 of DDPM say by a fixed sequence of kernels on fixed arrays, which is
recorded once and then launched as a whole. What changes from step to step, the number of the step, t, the noise and the
learning rate, is read from device memory or follows from what is there (fused.py). On the CPU they run op by op.

network: a module (Tensor x_t, t) -> Tensor, of kernels and elementwise ops only, without dropout: masks come from the
host. Source: DDPM (Ho et al. 2020), algorithms 1 and 2. Read before this: fused.py, autograd/backend.py (Captured).
"""
import numpy as np

from autograd import Tensor, grad, no_grad
from autograd.backend import Captured, asarray, by_device, default_dtype, xp

from . import fused


class TrainingLoop:
    """Algorithm 1. optimizer: an Adam or AdamW; its schedule may change the learning rate from step to step."""

    def __init__(self, network, schedule, optimizer, shape, *, seed, clip=None):
        self.network, self.schedule, self.optimizer, self.seed, self.clip = network, schedule, optimizer, seed, clip
        self.x_0 = xp.zeros(shape, default_dtype)
        self.a, self.s = fused.signal_table(schedule)
        self.step, self.lr = fused.counter(optimizer.steps), xp.zeros(1, default_dtype)  # a resumed run goes on
        self.loss = xp.zeros((), default_dtype)
        self._run = Captured(self._work)

    def __call__(self, x_0, done=None):
        """One step on images x_0 of `shape`, scaled to [-1, 1]. Returns its loss, which the next call overwrites. done:
        how much of the training is over, for a learning rate that is a schedule."""
        if x_0.shape != self.x_0.shape:
            raise ValueError(f"TrainingLoop: x_0 has shape {x_0.shape}, expected {self.x_0.shape}: a captured step has "
                             "fixed sizes; drop the last, smaller batch")
        self.x_0[...] = asarray(x_0)
        self.lr[...] = self.optimizer.rate(done)
        self.optimizer.steps += 1  # its own count, for its schedule and checkpoints; `step` is the GPU's
        self._run()
        return self.loss

    def _work(self):
        t = fused.draw_times(self.seed, self.step, len(self.x_0), self.schedule.T)  # line 3
        x_t = fused.q_sample(self.x_0, t, self.a, self.s, self.seed, self.step)  # 4
        eps_hat = self.network(Tensor(x_t), t)
        loss, gradient = fused.noise_loss(eps_hat.data, self.seed, self.step)  # 5
        grads = [g.data for g in grad(eps_hat, self.optimizer.params, Tensor(gradient))]
        fused.advance(self.step)  # now the number of this step, counted from 1
        _apply(self.optimizer, self._clipped(grads), self.lr, self.step)
        self.loss[...] = loss

    def _clipped(self, grads):
        """The gradients, scaled so that their norm is at most `clip`: without asking for its value."""
        if self.clip is None:
            return grads
        norm = xp.sqrt(sum((g * g).sum() for g in grads))
        factor = xp.minimum(1.0, self.clip / (norm + 1e-12)).astype(grads[0].dtype)
        return [g * factor for g in grads]


# lr and the number of the step come from arrays (1,): on a GPU the kernel reads them when it runs
_apply = by_device(lambda optimizer, grads, lr, t: optimizer.apply(grads, 1.0, float(lr[0]), int(t[0])),
                   lambda optimizer, grads, lr, t: optimizer.apply(grads, 1.0, lr, t))


class SamplingLoop:
    """Algorithm 2, or any of its relatives: one of the moves of samplers.py.

    kind: what the network predicts (PREDICTIONS). low, high: the limits of x_0; None for none. guided: a function
    (x_t, t) -> (conditional, unconditional) of Tensors in the place of the network, and w, how far to go beyond.
    """

    def __init__(self, network, levels, move, shape, *, seed, kind="eps", low=-1.0, high=1.0, w=0.0, guided=False):
        self.network, self.guided, self.seed, self.w = network, guided, seed, w
        self.low, self.high = -np.inf if low is None else low, np.inf if high is None else high
        self.times, self.table = fused.reverse_table(levels, move, kind)
        self.x, self.t = xp.zeros(shape, default_dtype), xp.zeros(shape[0], np.int32)
        self.row = fused.counter()  # of the table, anew for every call
        self.step = fused.counter()  # of the noise, which goes on
        self._run = Captured(self._work)

    def __call__(self):
        """New samples, an array of `shape`, which the next call overwrites by others."""
        fused.draw_normal(self.x, self.seed, self.step)
        fused.advance(self.step)
        self.row[...] = 0
        for _ in range(len(self.times)):
            self._run()
        return self.x

    def _work(self):
        fused.set_times(self.t, self.times, self.row)
        with no_grad():
            quantity = self.network(Tensor(self.x), self.t)
        quantity, unconditional = quantity if self.guided else (quantity, None)
        fused.reverse_step(self.x, quantity.data, None if unconditional is None else unconditional.data, self.table,
                           self.row, self.seed, self.step, self.w, self.low, self.high, out=self.x)
        fused.advance(self.row)
        fused.advance(self.step)
