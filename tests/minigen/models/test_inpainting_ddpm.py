"""A DDPM that is trained on to see what is known: it begins as what it was, learns nothing of hidden pixels, and draws
them, where its denoiser is exact, as they are given the known ones, which replacement does not."""
import numpy as np
import pytest

from autograd import Tensor, backend, grad, mse_loss, parameter
from autograd.backend import asarray, normal, to_numpy
from minigen.data import Space
from minigen.diffusion import cosine_schedule, fill_in, seam
from minigen.models.diffusion import DDPM, InpaintingDDPM, inpainting_ddpm
from minigen.models.diffusion.inpainting_ddpm import random_masks, upper_half
from minigen.nn import Frozen, Module, UNet

SPACE, SCHEDULE = Space((1, 8, 8), 17), cosine_schedule(100)


def unet(seed, channels=1, **settings):
    network = UNet(channels, 1, width=8, multipliers=(1, 2), blocks=1, groups=4, rng=backend.rng(seed), **settings)
    rng = backend.rng(10 + seed)
    for p in network.parameters():
        if not p.data.any():
            p.data[...] = 0.1 * normal(rng, p.shape)
    return network


def build(model=InpaintingDDPM, **settings):
    pretrained = DDPM(unet(0, **settings), SCHEDULE, SPACE, steps=3)
    return model(unet(1, channels=3, **settings), Frozen(pretrained)), pretrained


def batch(n, seed=2):
    return {"x": backend.rng(seed).integers(0, 17, (n, 1, 8, 8)).astype(np.uint8)}


def changed(model, pretrained):
    """How much the model says otherwise than the pretrained one, over all masks."""
    rng = backend.rng(3)
    x_t, t, known = normal(rng, (6, 1, 8, 8)), np.arange(1, 7), normal(rng, (6, 1, 8, 8))
    said = model.told(known, random_masks(6, 8, 8, rng))(Tensor(x_t), t)
    return np.abs((said - pretrained.network(Tensor(x_t), t)).numpy()).max()


@pytest.mark.parametrize("settings", [{}, {"patch": 2}])
def test_at_first_it_is_the_pretrained_model(settings, monkeypatch):
    """And is not where the new channels begin as others do."""
    assert changed(*build(**settings)) < 1e-6
    take_over = inpainting_ddpm.take_over

    def keep_new_weights(network, pretrained):
        before = network.stem.weight.data.copy()
        take_over(network, pretrained)
        fresh = network.stem.weight.data == 0
        network.stem.weight.data[fresh] = before[fresh]

    monkeypatch.setattr(inpainting_ddpm, "take_over", keep_new_weights)
    assert changed(*build(**settings)) > 1e-2


def test_the_new_channels_learn():
    model, _ = build()
    weight = model.network.stem.weight
    g = grad(model.loss(batch(8), backend.rng(4))["L_v"], weight).numpy()
    assert all(np.abs(g[:, channel]).max() > 1e-6 for channel in range(3))


class SeesAll(InpaintingDDPM):
    """Tells the network the hidden pixels too."""

    def told(self, known, m):
        return super().told(known, np.ones_like(m))


@pytest.mark.parametrize("model, blind", [(InpaintingDDPM, True), (SeesAll, False)])
def test_nothing_is_told_of_hidden_pixels(model, blind):
    model, _ = build(model)
    model.network.stem.weight.data[...] = normal(backend.rng(5), model.network.stem.weight.shape)
    rng = backend.rng(6)
    x_t, t, m = normal(rng, (4, 1, 8, 8)), np.arange(1, 5), random_masks(4, 8, 8, rng)
    known = normal(rng, (4, 1, 8, 8))
    other = np.where(m, known, known + 1.0)
    said, again = (model.told(x, m)(Tensor(x_t), t).numpy() for x in (known, other))
    assert (np.abs(said - again).max() < 1e-6) == blind
    seen = model.told(np.where(m, known + 1.0, known), m)(Tensor(x_t), t).numpy()
    assert np.abs(seen - said).max() > 1e-3


class Says(Module):
    """What its parameter says, whatever it sees, which it notes."""

    def __init__(self):
        self.said = parameter(np.zeros((200, 1, 8, 8)))

    def forward(self, x, t):
        self.seen, self.t = to_numpy(x.data), t
        return self.said


class Plain(InpaintingDDPM):
    """The loss of DDPM."""

    def loss(self, batch, rng):
        mean = super().loss(batch, rng)["L_v"] * 0.0
        return {"L_simple": mean + mse_loss(self.network.said, Tensor(normal(rng, self.network.said.shape)))}


def weights(model):
    """(root mean square of the gradient in hidden pixels, largest in known ones, alpha_bar): arrays (200,)."""
    model, _ = build(model)
    model.network = Says()
    rng = backend.rng(5)
    g = grad(next(iter(model.loss(batch(200), rng).values())), model.network.said).numpy()
    known = model.network.seen[:, 2:] == 1
    rms = np.sqrt((g**2 * ~known).sum(axis=(1, 2, 3)) / (~known).sum(axis=(1, 2, 3)))
    return rms, np.abs(g * known).max(axis=(1, 2, 3)), SCHEDULE.alpha_bar[model.network.t]


def test_hidden_pixels_count_and_as_errors_in_v():
    """The error in eps over alpha_bar, but for the smallest; nothing in known pixels. DDPM's loss is told from it."""
    rms, known, alpha_bar = weights(InpaintingDDPM)
    scaled = rms * np.maximum(alpha_bar, inpainting_ddpm.LEAST)
    assert known.max() == 0 and rms.max() / rms.min() > 10 and np.log(scaled).std() < 0.4
    rms, known, _ = weights(Plain)
    assert known.max() > 0 and rms.max() / rms.min() < 10


@pytest.mark.parametrize("error", [0.0, 0.5])
def test_the_loss_is_a_mean_of_squared_errors_of_eps(error):
    """Over hidden pixels: 0 for who knows the image, the gray 0.5 here."""
    model, _ = build()

    def knows(x, t):
        level = SCHEDULE.level(t)
        a, s = (np.reshape(number, (-1, 1, 1, 1)) for number in (level.a, level.s))
        return Tensor(asarray((to_numpy(x.data)[:, :1] - 0.5 * a) / s + error, np.float32))

    model.network = knows
    loss = model.loss({"x": np.full((50, 1, 8, 8), 12, np.uint8)}, backend.rng(5))["L_v"].item()
    assert loss == pytest.approx(error**2, abs=1e-3)


def test_masks_are_boxes_of_all_sizes_one_for_each_image():
    masks = random_masks(400, 8, 8, backend.rng(7))[:, 0]
    hidden = ~masks
    for one in hidden:
        rows, columns = one.any(axis=1), one.any(axis=0)
        assert (one == rows[:, None] & columns).all() and np.diff(np.flatnonzero(rows)).max(initial=1) == 1
    assert len(np.unique(masks.reshape(400, -1), axis=0)) > 200
    sides = hidden.any(axis=2).sum(axis=1)
    assert set(sides) == set(range(2, 9)) and 0.2 < hidden.mean() < 0.6


# The exact denoiser of two pixels that are told: x ~ N(0, SIGMA^2 [[1, RHO], [RHO, 1]])

TWO, RHO, SIGMA, N = Space((1, 2, 1), 101), 0.9, 0.3, 3000
COVARIANCE = SIGMA**2 * np.array([[1.0, RHO], [RHO, 1.0]])


class ExactUNet(Module):
    """What is known counts as seen almost without noise."""

    def forward(self, x, t):
        x, level = to_numpy(as_data(x)), SCHEDULE.level(int(t[0]))
        x_t = x[:, 0, :, 0]
        known, m = (x[:, 1, :, 0], x[:, 2, :, 0]) if x.shape[1] == 3 else (0.0 * x_t, 0.0 * x_t)
        precision = np.linalg.inv(COVARIANCE) + np.diag(level.a**2 / level.s**2 + m[0] * 1e6)
        x_0 = (level.a / level.s**2 * x_t + 1e6 * m * known) @ np.linalg.inv(precision)
        return Tensor(asarray(((x_t - level.a * x_0) / level.s)[:, None, :, None], np.float32))


def as_data(x):
    return x.data if isinstance(x, Tensor) else x


def test_an_exact_denoiser_that_is_told_draws_what_follows_from_the_known():
    """The upper pixel is 0.6: the lower one is N(0.6 rho, sigma^2 (1 - rho^2)). Replacement alone is far off."""
    diffusion = Frozen(DDPM(ExactUNet(), SCHEDULE, TWO, steps=40))
    model, x = InpaintingDDPM(ExactUNet(), diffusion), np.full((N, 1, 2, 1), 80)
    told, replaced = (2 * image[:, 0, 1, 0] - 1 for image in (
        model.sample(N, backend.rng(8), x), fill_in(diffusion, x, upper_half(2, 1), backend.rng(8), resample=1)))
    mean, width = 0.6 * RHO, SIGMA * np.sqrt(1 - RHO**2)
    assert abs(told.mean() - mean) < 0.1 * width and abs(told.std() / width - 1) < 0.1
    assert abs(replaced.mean() - mean) > 0.3 * width


def test_known_pixels_stay_bit_for_bit_and_the_seam_is_measured():
    model, _ = build()
    b, known = batch(6), upper_half(8, 8)
    x = model.sample(5, backend.rng(9), b["x"])
    assert x.shape == (5, 1, 8, 8) and (x[:, :, known] == SPACE.drawn(b["x"])[:5][:, :, known]).all()
    assert not (x[:, :, ~known] == SPACE.drawn(b["x"])[:5][:, :, ~known]).all()
    drawn, real = model.sample(6, backend.rng(9), b["x"]), SPACE.drawn(b["x"])
    (measure,) = model.measure(b, backend.rng(9))
    assert measure.value == pytest.approx(seam(drawn, known).mean() / seam(real, known).mean()) and measure.half_width > 0


@pytest.mark.parametrize("call, message", [
    (lambda: build()[0].complete(batch(2)["x"], np.ones((4, 8), bool), None), "mask is bool of shape (4, 8), expected"),
    (lambda: build()[0].complete(batch(2)["x"], np.ones((8, 8)), None), "mask is float64 of shape (8, 8), expected"),
    (lambda: InpaintingDDPM(unet(0), Frozen(DDPM(unet(1, channels=3), SCHEDULE, SPACE))),
     "take_over: the new network sees 1 channels, the pretrained one 3; build it with more"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value) and "\n" not in str(error.value)
