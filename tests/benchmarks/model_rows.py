"""The rows of whole models: a training step of each, Adam included, and sampling from one.

Each is minigen's own model, and a twin in PyTorch (torch_models.py) that takes its weights by name, computes the same
losses from the same random numbers, and gets the same gradients; test_rows.py shows it.
"""
import numpy as np
from rows import SCALING, SHARED, row


class Training:
    """model(rng) -> the model; images(rng) -> its batch, integers."""

    def __init__(self, rng, model, images):
        self.rng, self.make_model, self.x = rng, model, images(rng)


class TrainingMinigen(Training):
    """world: of the workers that share the batch, each of which has such a side; to be set before the first step."""

    def __init__(self, rng, model, images):
        from autograd import grad
        from minigen.optim import Adam
        from minigen.parallel.world import World

        super().__init__(rng, model, images)
        self.grad, self.model, self.world = grad, model(rng), World()
        self.players = self.model.players()
        self.adams = [Adam(player.params, 1e-3) for player in self.players]

    def gradients(self, player, rng):
        with self.world.share({"x": self.x} if player.data else len(self.x)) as batch:
            loss = next(iter(player.loss(batch, rng).values()))
            own = self.grad(self.world.part(loss), player.params)
        return loss, self.world.add(own, {})[0]

    def step(self):
        for player, adam in zip(self.players, self.adams):
            adam.step(self.gradients(player, self.rng)[1])

    def results(self):
        found = {}
        names = {id(p): name for name, p in self.model.named_parameters()}
        for player in self.players:
            loss, gradients = self.gradients(player, np.random.default_rng(5))
            found[player.name] = loss.numpy()
            found |= {names[id(p)]: g.numpy() for p, g in zip(player.params, gradients)}
        return found


class TrainingTorch(Training):
    """twin: the name of a class in torch_models.py, made from the batch; its players() are (name, parameters, loss)."""

    def __init__(self, rng, model, images, twin, *arguments):
        import torch
        import torch_models

        super().__init__(rng, model, images)
        self.twins = torch_models
        self.model = getattr(torch_models, twin)(torch.tensor(self.x), *arguments)
        self.adams = [torch.optim.Adam(parameters, 1e-3) for _, parameters, _ in self.model.players()]

    def step(self):
        draws = self.twins.Draws()
        for (_, parameters, loss), adam in zip(self.model.players(), self.adams):
            adam.zero_grad()
            loss(draws).backward(inputs=parameters)
            adam.step()

    def results(self):
        self.model.load_arrays(self.make_model(self.rng).state_dict())
        names = {id(p): name for name, p in self.model.named_parameters()}
        found = {}
        for player, parameters, loss in self.model.players():
            self.model.zero_grad()
            value = loss(self.twins.Replay(np.random.default_rng(5)))
            value.backward(inputs=parameters)
            found[player] = value.detach().numpy()
            found |= {names[id(p)]: p.grad.numpy().copy() for p in parameters}
        return found


def training_row(name, model, images, twin, *arguments):
    row(name, lambda rng: TrainingMinigen(rng, model, images),
        lambda rng: TrainingTorch(rng, model, images, twin, *arguments))
    SHARED.append(name)


def images(N, shape, levels):
    return lambda rng: rng.integers(0, levels, (N, *shape)).astype(np.uint8)


def stirred(model, rng):
    """The model with noise on its weights: some start as 0, which would hide most gradients."""
    for p in model.parameters():
        p.data[...] += np.float32(0.02) * rng.standard_normal(p.shape, dtype=np.float32)
    return model


def vae(rng):
    from minigen.data import Space
    from minigen.models.autoencoders.vae import VAE

    return VAE(Space((1, 28, 28), 2), "bernoulli", latent=40, hidden=(500, 500), rng=rng)


def dcgan(rng):
    from minigen.data import Space
    from minigen.models.adversarial import GAN, ConvDiscriminator, ConvGenerator

    space = Space((1, 28, 28), 256)
    generator = ConvGenerator(64, space.shape, width=32, rng=rng)
    return GAN(generator, ConvDiscriminator(space.shape, width=32, rng=rng), space)


def masked_stack(rng):
    """15 masked 3x3 convolutions of 32 channels, a PixelCNN without its finer points."""
    from autograd import binary_cross_entropy_with_logits, conv2d, relu
    from minigen.nn import Conv2d, Module, ModuleList
    from minigen.player import Player

    class MaskedStack(Module):
        def __init__(self):
            channels = [1, *[32] * 14, 1]
            self.convs = ModuleList(Conv2d(C, O, 3, padding=1, rng=rng) for C, O in zip(channels, channels[1:]))
            self.masks = [raster_mask(with_centre=i > 0) for i in range(15)]

        def loss(self, batch, rng):
            x = h = np.float32(batch["x"])
            for i, (conv, mask) in enumerate(zip(self.convs, self.masks)):
                h = conv2d(h if i == 0 else relu(h), conv.weight * mask, conv.bias, padding=1)
            return {"NLL": binary_cross_entropy_with_logits(h, x)}

        def players(self):
            return [Player("pixels", self.parameters(), self.loss)]

    return MaskedStack()


def raster_mask(with_centre):
    """(3, 3): 1 for the pixels that come before the centre, in reading order."""
    return (np.arange(9) < 4 + with_centre).astype(np.float32).reshape(3, 3)


def realnvp(rng):
    from minigen.data import Space
    from minigen.flows.dequantization import UniformDequantization
    from minigen.models.flows import RealNVP

    space = Space((1, 8, 8), 17)
    model = RealNVP(space, UniformDequantization(space), rng=rng)
    model.loss({"x": images(256, space.shape, 17)(rng)}, rng)  # a first batch sets the activation normalization
    return stirred(model, rng)


def ddpm(rng, shape, unet):
    from minigen.data import Space
    from minigen.diffusion import linear_schedule
    from minigen.models.diffusion import DDPM
    from minigen.nn import UNet

    return stirred(DDPM(UNet(1, **unet, rng=rng), linear_schedule(1000), Space(shape, 256)), rng)


LARGE = {"width": 40, "multipliers": (1, 2), "blocks": 1, "patch": 2}
SMALL = {"width": 40, "multipliers": (1, 2), "blocks": 1}

training_row("VAE 784-500-500-40, batch 128", vae, images(128, (1, 28, 28), 2), "VAE")
training_row("DCGAN 28x28, batch 128", dcgan, images(128, (1, 28, 28), 256), "DCGAN")
training_row("15 masked convs 28x28, batch 64", masked_stack, images(64, (1, 28, 28), 2), "MaskedStack")
training_row("RealNVP 8x8, batch 256", realnvp, images(256, (1, 8, 8), 17), "RealNVP")
training_row("DDPM 28x28, 1 M, batch 64", lambda rng: ddpm(rng, (1, 28, 28), LARGE), images(64, (1, 28, 28), 256),
             "DDPM", LARGE)
training_row("DDPM 8x8, 1 M, batch 256", lambda rng: ddpm(rng, (1, 8, 8), SMALL), images(256, (1, 8, 8), 256),
             "DDPM", SMALL)

for N, H in ((8, 28), (24, 28), (80, 28), (24, 16), (24, 52)):
    SCALING[f"DDPM {H}x{H}, batch {N}"] = (N * H * H, lambda rng, N=N, H=H: TrainingMinigen(
        rng, lambda rng: ddpm(rng, (1, H, H), LARGE), images(N, (1, H, H), 256)))


class Sampling:
    """DDIM: 64 images of 28x28 in 100 steps."""

    STEPS = 100

    def __init__(self, rng):
        self.rng = rng
        self.x_T = rng.standard_normal((64, 1, 28, 28), dtype=np.float32)

    def make_model(self):
        return ddpm(self.rng, (1, 28, 28), LARGE)


class SamplingMinigen(Sampling):
    def __init__(self, rng):
        from minigen.diffusion import ddim
        from minigen.parallel.world import World

        super().__init__(rng)
        self.ddim, self.model, self.world = ddim, self.make_model(), World()

    def step(self, steps=Sampling.STEPS):
        own = self.x_T[self.world.rows(len(self.x_T))]
        drawn = self.world.gather(self.ddim(self.model.denoise, own, self.model.schedule.levels(steps)))
        return np.concatenate(drawn) if drawn else None

    def results(self):
        return {"x_0": self.step(10)}


class SamplingTorch(Sampling):
    def __init__(self, rng):
        import torch
        import torch_models

        super().__init__(rng)
        self.x = torch.tensor(self.x_T)
        self.model = torch_models.DDPM(self.x, LARGE)

    def step(self, steps=Sampling.STEPS):
        return self.model.ddim(self.x, steps)

    def results(self):
        self.model.load_arrays(self.make_model().state_dict())
        return {"x_0": self.step(10).numpy()}


row("100-step DDIM, 64 images 28x28", SamplingMinigen, SamplingTorch)
SHARED.append("100-step DDIM, 64 images 28x28")
