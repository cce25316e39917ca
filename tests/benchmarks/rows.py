"""The rows of the table that are single ops. Those of whole models are in model_rows.py.

A row is the same work written for minigen and for PyTorch. A side of it is made from a generator, so that both get the
same numbers, and has two methods: step() does the work that is timed; results() does it once and returns its outputs as
NumPy arrays by name, for test_rows.py to compare. A side imports its own library only: neither pays for the other.
"""
import numpy as np

ROWS = {}  # name -> {"minigen": rng -> side, "torch": rng -> side}
SHARED = []  # names of rows that several workers can share: minigen's side has a World
SCALING = {}  # name -> (number of pixels, rng -> minigen's side): the same work on more images, and on larger ones


def row(name, minigen, torch):
    ROWS[name] = {"minigen": minigen, "torch": torch}


class Chain:
    """1,000 multiplications of four numbers, forward and backward: what the engine itself costs per op."""

    LENGTH = 1000

    def __init__(self, rng):
        self.x0 = rng.standard_normal(4).astype(np.float32)
        self.c = rng.uniform(0.99, 1.01, 4).astype(np.float32)


class ChainMinigen(Chain):
    def __init__(self, rng):
        import autograd

        super().__init__(rng)
        self.grad = autograd.grad
        self.x, self.constant = autograd.parameter(self.x0), autograd.Tensor(self.c)

    def step(self):
        y = self.x
        for _ in range(self.LENGTH):
            y = y * self.constant
        return self.grad(y.sum(), self.x)

    def results(self):
        return {"gradient": self.step().numpy()}


class ChainTorch(Chain):
    def __init__(self, rng):
        import torch

        super().__init__(rng)
        self.x, self.constant = torch.tensor(self.x0, requires_grad=True), torch.tensor(self.c)

    def step(self):
        import torch

        y = self.x
        for _ in range(self.LENGTH):
            y = y * self.constant
        return torch.autograd.grad(y.sum(), self.x)[0]

    def results(self):
        return {"gradient": self.step().numpy()}


row("1000 small ops", ChainMinigen, ChainTorch)


class Convolution:
    """A convolution and both its gradients: N images, C channels in, O out, H x H pixels, kernel k, stride s."""

    def __init__(self, rng, N, C, H, O, k=3, s=1):
        self.x0 = rng.standard_normal((N, C, H, H)).astype(np.float32)
        self.w0 = (rng.standard_normal((O, C, k, k)) / np.sqrt(C * k * k)).astype(np.float32)
        self.stride, self.padding = s, k // 2 if s == 1 else 1
        H_out = (H + 2 * self.padding - k) // s + 1
        self.g0 = rng.standard_normal((N, O, H_out, H_out)).astype(np.float32)


class ConvolutionMinigen(Convolution):
    def __init__(self, rng, **shape):
        import autograd

        super().__init__(rng, **shape)
        self.engine = autograd
        self.x, self.w = autograd.parameter(self.x0), autograd.parameter(self.w0)
        self.g = autograd.Tensor(self.g0)

    def step(self):
        y = self.engine.conv2d(self.x, self.w, stride=self.stride, padding=self.padding)
        return [y, *self.engine.grad(y, [self.x, self.w], self.g)]

    def results(self):
        return dict(zip(("y", "dx", "dw"), (a.numpy() for a in self.step())))


class ConvolutionTorch(Convolution):
    def __init__(self, rng, **shape):
        import torch

        super().__init__(rng, **shape)
        self.x = torch.tensor(self.x0, requires_grad=True)
        self.w = torch.tensor(self.w0, requires_grad=True)
        self.g = torch.tensor(self.g0)

    def step(self):
        import torch

        y = torch.nn.functional.conv2d(self.x, self.w, stride=self.stride, padding=self.padding)
        return [y, *torch.autograd.grad(y, [self.x, self.w], self.g)]

    def results(self):
        return dict(zip(("y", "dx", "dw"), (a.detach().numpy() for a in self.step())))


for N, C, H, O, k, s in ((64, 32, 28, 32, 3, 1), (64, 64, 14, 64, 3, 1), (64, 128, 7, 128, 3, 1),
                         (64, 64, 32, 64, 3, 1), (16, 128, 32, 128, 3, 1), (64, 32, 28, 64, 4, 2)):
    shape = dict(N=N, C=C, H=H, O=O, k=k, s=s)
    row(f"conv {N}x{C}x{H}x{H} -> {O}, {k}x{k}" + (f" stride {s}" if s > 1 else ""),
        lambda rng, shape=shape: ConvolutionMinigen(rng, **shape),
        lambda rng, shape=shape: ConvolutionTorch(rng, **shape))

for N, H in ((8, 28), (24, 28), (80, 28), (24, 16), (24, 50)):
    SCALING[f"conv {N}x64x{H}x{H} -> 64, 3x3"] = (
        N * H * H, lambda rng, N=N, H=H: ConvolutionMinigen(rng, N=N, C=64, H=H, O=64))
