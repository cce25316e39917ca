"""pix2pix: eq. 4, what L1 asks for, a D that must see the source, and noise that is there when pictures are drawn."""
import numpy as np
import pytest

from autograd import concatenate, flatten, grad, parameter, tanh
from autograd.backend import asarray, rng
from minigen import data, recipes
from minigen.data import Dataset, Space
from minigen.evaluate import evaluate
from minigen.judges import pair_measures
from minigen.models.adversarial import MLPDiscriminator, Pix2Pix
from minigen.nn import MLP, Module
from minigen.optim import adam
from minigen.train import Run, one_stage, train

SOURCE, SPACE = Space((1, 1, 1), 2), Space((1, 2, 2), 256)


class Tiny(Module):
    """A source of one pixel, and a noise of one number, to a picture of four."""

    source_shape, shape = SOURCE.shape, SPACE.shape

    def __init__(self, *, rng):
        self.net = MLP((2, 16, 4), tanh, rng=rng)

    def forward(self, s, rng):
        z = asarray(rng.standard_normal((len(s), 1), dtype=np.float32))
        return tanh(self.net(concatenate([flatten(s, 1), z], axis=1))).reshape(-1, *self.shape)


class Both(Module):
    """A discriminator of source, enlarged to the picture's size, and picture."""

    shape = (2, 2, 2)

    def __init__(self, *, rng):
        self.net = MLPDiscriminator(self.shape, (16,), rng=rng)

    def forward(self, x):
        return self.net(x)


class TinyPix2Pix(Pix2Pix):
    def judge(self, s, x):
        return super().judge(asarray(np.repeat(np.repeat(s, 2, axis=2), 2, axis=3)), x)


class BlindPix2Pix(TinyPix2Pix):
    """Its D does not see the source."""

    def judge(self, s, x):
        return super().judge(0 * s, x)


def two_kinds(n=256):
    """A white source has a bright picture, a black one a dark one; or so they do half of the time that this matters."""
    y, noise = np.arange(n) % 2, np.random.default_rng(0).integers(-20, 21, (n, 1, 2, 2))
    x = (60 + 135 * y[:, None, None, None] + noise).astype(np.uint8)
    return Dataset("two", "train", {"x": x, "source": y.reshape(n, 1, 1, 1).astype(np.uint8)},
                   {"x": SPACE, "source": SOURCE}, "two kinds")


@pytest.mark.parametrize("Model, least, most", [(TinyPix2Pix, 0.95, 1.0), (BlindPix2Pix, 0.0, 0.9)])
def test_d_must_see_the_source(Model, least, most):
    """The trap, without L1's help: if D does not, any picture that looks right will do for any source."""
    noise, pairs = rng(0), two_kinds()
    model = Model(Tiny(rng=noise), Both(rng=noise), SOURCE, SPACE, weight=0.0)
    train(Run(one_stage(model, adam(3e-3, betas=(0.5, 0.999)), 300, 64), pairs, rng=noise))
    bright = model.sample(256, rng(1), source=pairs["source"]).mean(axis=(1, 2, 3)) > 0.5
    assert least <= (bright == pairs["source"][:, 0, 0, 0]).mean() <= most


def small(weight=100.0, alone=False):
    noise = rng(0)
    return TinyPix2Pix(Tiny(rng=noise), None if alone else Both(rng=noise), SOURCE, SPACE, weight)


def test_equation_4_and_half_of_the_loss_of_d():
    batch, model = two_kinds(8).columns, small(weight=7.0)
    G, D = model.generator_loss(batch, rng(3)), model.discriminator_loss(batch, rng(3))
    assert G["L_cGAN + lambda L1"].item() == pytest.approx(G["L_cGAN"].item() + 7 * G["L1"].item(), rel=1e-5)
    s, x = model.pair(batch)
    drawn = model.generator(s, rng(3))
    assert G["L1"].item() == pytest.approx(np.abs(drawn.numpy() - x).mean(), rel=1e-5)
    a, b = (model.judge(s, image).numpy() for image in (x, drawn))
    assert D["-L_cGAN / 2"].item() == pytest.approx(
        0.5 * (np.log1p(np.exp(-a)).mean() + np.log1p(np.exp(b)).mean()), rel=1e-5)
    assert [player.name for player in model.players()] == ["D", "G"]
    assert [player.name for player in small(alone=True).players()] == ["G"]
    assert list(small(alone=True).generator_loss(batch, rng(3))) == ["L1"]


def test_l1_alone_asks_for_the_median_which_nobody_drew():
    """Three colours that a drawing may have, equally often: red, green, blue. The picture of least L1 is black, as each
    channel is 0 more often than not; of two colours any mixture is as good as each."""
    red, green, blue = np.eye(3)
    loss = lambda x, colours: np.mean([np.abs(c - x).mean() for c in colours])
    black = np.zeros(3)
    assert loss(black, [red, green, blue]) < min(loss(c, [red, green, blue]) for c in (red, green, blue))
    assert loss((red + green) / 2, [red, green]) == pytest.approx(loss(red, [red, green]))
    x = parameter(np.full(3, 0.01))
    total = sum(abs(x - c).mean() for c in (red, green, blue))
    assert np.all(grad(total, x).numpy() > 0)  # on, to black


def test_the_noise_is_there_when_pictures_are_drawn():
    """The trap: in eval mode there is none, and two pictures of a drawing are one."""
    emoji, noise = data.load("emoji").first(8), rng(0)
    model = recipes.find("pix2pix").plan(emoji, noise).model.eval()
    a, b = (model.sample(8, rng(seed), source=emoji["source"]) for seed in (1, 2))
    assert a.shape == (8, 3, 32, 32) and np.abs(a - b).mean() > 1e-3
    change = model.measure(emoji.columns, rng(1))[0]
    assert change.value > 1e-3
    names = [measure.name for measure in evaluate(model, emoji, rng(1), emoji)]
    assert names[:4] == ["change by noise", "L1", "top-1", "saturation"]


def test_what_the_judge_of_pairs_says():
    """Of the truth itself, of its grays, of others' pictures."""
    x = data.load("emoji", "test")["x"][:60] / 31
    L1, top, colour = pair_measures(x, x, x)
    assert (L1.value, top.value, colour.value) == (0, 1, 1)
    L1, top, colour = pair_measures(np.repeat(x.mean(axis=1, keepdims=True), 3, axis=1), x, x)
    assert L1.value > 0.03 and top.value > 0.3 and colour.value < 1e-6
    assert pair_measures(x[::-1], x, x)[1].value == 0
    assert "the source as it is: 1.0000" in pair_measures(x[::-1], x, x, source=x)[1].detail


@pytest.mark.parametrize("call, message", [
    (lambda: small().generator_loss({"x": np.zeros((2, 1, 2, 2), np.uint8)}, rng(0)), "in a column 'source'"),
    (lambda: Pix2Pix(Tiny(rng=rng(0)), None, SPACE, SPACE), r"the generator takes \(1, 1, 1\) to \(1, 2, 2\)"),
    (lambda: Pix2Pix(Tiny(rng=rng(0)), MLPDiscriminator((1, 2, 2), rng=rng(0)), SOURCE, SPACE),
     r"expected \(2, 2, 2\): it sees source and picture"),
])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
