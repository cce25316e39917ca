"""The rows of the table: the same work written for minigen and for PyTorch.

A side of a row is made from a generator, so that both get the same numbers, and has two methods: step() does the work
that is timed; results() does it once and returns its outputs as NumPy arrays by name, for test_rows.py to compare.
PyTorch is imported by its own sides only.
"""
import numpy as np

ROWS = {}  # name -> {"minigen": rng -> side, "torch": rng -> side}


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


class VAE:
    """A training step of the VAE 784-500-500-40 with Bernoulli pixels, batch 128, Adam (models/autoencoders/vae.py)."""

    def __init__(self, rng):
        self.x0 = (rng.random((128, 1, 28, 28)) < 0.2).astype(np.uint8)
        self.model = make_vae(rng)


def make_vae(rng):
    from minigen.models.autoencoders.vae import VAE

    return VAE((1, 28, 28), 2, "bernoulli", latent=40, hidden=(500, 500), rng=rng)


class VAEMinigen(VAE):
    def __init__(self, rng):
        from autograd import grad
        from minigen.optim import Adam

        super().__init__(rng)
        (self.player,) = self.model.players()
        self.adam, self.grad, self.rng = Adam(self.player.params, 1e-3), grad, rng

    def gradients(self, rng):
        loss = next(iter(self.player.loss((self.x0, None), rng).values()))
        return loss, self.grad(loss, self.player.params)

    def step(self):
        self.adam.step(self.gradients(self.rng)[1])

    def results(self):
        loss, gradients = self.gradients(np.random.default_rng(5))
        names = [name for name, _ in self.model.named_parameters()]
        return {"loss": loss.numpy()} | {name: g.numpy() for name, g in zip(names, gradients)}


class VAETorch(VAE):
    def __init__(self, rng):
        import torch

        super().__init__(rng)
        self.x = torch.tensor(self.x0.reshape(128, 784), dtype=torch.float32)
        self.params = {name: torch.tensor(array, requires_grad=True) for name, array in self.model.state_dict().items()}
        del self.model
        self.adam = torch.optim.Adam(self.params.values(), 1e-3)

    def mlp(self, part, h):
        from torch.nn.functional import linear, relu

        for i in (0, 2, 4):
            h = linear(h, self.params[f"{part}.{i}.weight"], self.params[f"{part}.{i}.bias"])
            h = relu(h) if i < 4 else h
        return h

    def loss(self, eps):
        from torch.nn.functional import binary_cross_entropy_with_logits

        mu, logvar = self.mlp("encoder", self.x).chunk(2, dim=1)
        logits = self.mlp("decoder", mu + (0.5 * logvar).exp() * eps)
        reconstruction = binary_cross_entropy_with_logits(logits, self.x, reduction="sum") / 128
        return reconstruction + 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum() / 128

    def step(self):
        import torch

        self.adam.zero_grad()
        self.loss(torch.randn(128, 40)).backward()
        self.adam.step()

    def results(self):
        import torch

        rng = np.random.default_rng(5)
        rng.random(self.x.shape, dtype=np.float32)  # the draw that binarizes pixels that are binary already
        loss = self.loss(torch.tensor(rng.standard_normal((128, 40), dtype=np.float32)))
        gradients = torch.autograd.grad(loss, list(self.params.values()))
        return {"loss": loss.detach().numpy()} | {name: g.numpy() for name, g in zip(self.params, gradients)}


row("VAE 784-500-500-40, batch 128", VAEMinigen, VAETorch)


class Diffusion:
    """A training step of DDPM on 28x28 images, batch 64, Adam: the recipe's U-Net, 1.0 million parameters."""

    UNET = {"width": 40, "multipliers": (1, 2), "blocks": 1, "patch": 2}

    def __init__(self, rng):
        self.x0 = rng.integers(0, 256, (64, 1, 28, 28)).astype(np.uint8)
        self.rng = rng

    def make_model(self):
        from minigen.diffusion import linear
        from minigen.models.diffusion import DDPM
        from minigen.nn import UNet

        model = DDPM(UNet(1, **self.UNET, rng=self.rng), linear(1000), (1, 28, 28), 256)
        for p in model.parameters():  # some start as 0, which would hide most gradients
            p.data[...] += np.float32(0.02) * self.rng.standard_normal(p.shape, dtype=np.float32)
        return model


class DiffusionMinigen(Diffusion):
    def __init__(self, rng):
        from autograd import grad
        from minigen.optim import Adam

        super().__init__(rng)
        self.model, self.grad = self.make_model(), grad
        (self.player,) = self.model.players()
        self.adam = Adam(self.player.params, 1e-3)

    def gradients(self, rng):
        loss = self.player.loss((self.x0, None), rng)["L_simple"]
        return loss, self.grad(loss, self.player.params)

    def step(self):
        self.adam.step(self.gradients(self.rng)[1])

    def results(self):
        loss, gradients = self.gradients(np.random.default_rng(5))
        names = [name for name, _ in self.model.network.named_parameters()]
        return {"loss": loss.numpy()} | {name: g.numpy() for name, g in zip(names, gradients)}


class DiffusionTorch(Diffusion):
    def __init__(self, rng):
        import torch
        from torch_unet import UNet

        super().__init__(rng)
        self.network = UNet(1, **self.UNET)
        self.x = torch.tensor(self.x0) / 127.5 - 1
        self.alpha_bar = (1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)).cumprod(0).float()
        self.adam = torch.optim.Adam(self.network.parameters(), 1e-3)

    def loss(self, t, eps):
        alpha_bar = self.alpha_bar[t - 1][:, None, None, None]
        x_t = alpha_bar.sqrt() * self.x + (1 - alpha_bar).sqrt() * eps
        return ((self.network(x_t, t) - eps) ** 2).mean()

    def step(self):
        import torch

        self.adam.zero_grad()
        self.loss(torch.randint(1, 1001, (64,)), torch.randn(self.x.shape)).backward()
        self.adam.step()

    def results(self):
        import torch

        weights = self.make_model().network.state_dict()
        self.network.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
        rng = np.random.default_rng(5)
        t = torch.tensor(rng.integers(1, 1001, size=64))
        loss = self.loss(t, torch.tensor(rng.standard_normal(self.x.shape, dtype=np.float32)))
        loss.backward()
        gradients = {name: p.grad.numpy() for name, p in self.network.named_parameters()}
        return {"loss": loss.detach().numpy()} | gradients


row("DDPM 28x28, 1 M, batch 64", DiffusionMinigen, DiffusionTorch)
