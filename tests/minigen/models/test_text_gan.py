"""GAN-CLS: the losses are algorithm 1's, D reads because of wrong captions, and these are wrong."""

import numpy as np
import pytest

from autograd import backend, grad, no_grad, softplus
from autograd.backend import asarray
from minigen import data
from minigen.data.shapes.captions import decode, parse
from minigen.data.shapes.pairs import _pairs_of, contrasted
from minigen.models.adversarial import ConvDiscriminator, ConvGenerator
from minigen.models.text_to_image import CLIP, MatchingDiscriminator, TextGAN
from minigen.nn import Frozen
from minigen.optim import adam


@pytest.fixture(scope="module")
def shapes():
    return contrasted(data.load("shapes16", "valid").first(400))


@pytest.fixture
def model(shapes):
    return build(shapes, 0)


def build(shapes, seed):
    rng, space = backend.rng(seed), shapes.spaces["x"]
    clip = Frozen(CLIP(space, shapes.spaces["text"], width=32, rng=rng))
    discriminator = MatchingDiscriminator(ConvDiscriminator(space.shape, width=8, rng=rng), 32, rng=rng)
    return TextGAN(ConvGenerator(8 + 32, space.shape, width=8, rng=rng), discriminator, space, clip)


def test_the_losses_are_those_of_algorithm_1(model, shapes):
    batch, values = shapes.batch(np.arange(10)), []
    model.eval()
    inner = model.discriminator.forward
    model.discriminator.forward = lambda x, h: values.append(inner(x, h)) or values[-1]
    loss = model.discriminator_loss(batch, backend.rng(1))["-L_D"].item()
    s_r, s_w, s_f = (1 / (1 + np.exp(-np.float64(a.numpy()))) for a in values)
    assert loss == pytest.approx(-(np.log(s_r).mean() + 0.5 * (np.log(1 - s_w) + np.log(1 - s_f)).mean()), rel=1e-4)
    x, h, h_hat = asarray(shapes.spaces["x"].signed(batch["x"])), model.phi(batch["text"]), model.phi(batch["wrong"])
    with no_grad():
        np.testing.assert_array_equal(values[0].numpy(), inner(x, h).numpy())
        np.testing.assert_array_equal(values[1].numpy(), inner(x, h_hat).numpy())
        fake = model.draw(h, backend.rng(1))
        np.testing.assert_allclose(values[2].numpy(), inner(fake, h).numpy(), rtol=1e-4, atol=1e-5)
    values.clear()
    terms = model.generator_loss(batch, backend.rng(1))
    here, between = (softplus(-a).mean().item() for a in values)
    assert terms["-log s_f"].item() == pytest.approx(here) and terms["between captions"].item() == pytest.approx(between)
    assert terms["-L_G"].item() == pytest.approx(here + between)


def test_wrong_captions_are_wrong_and_others_would_now_and_then_be_true(shapes):
    scenes = [scene for _, scene in _pairs_of("shapes16", "valid")[:400]]
    wrong = [parse(text) for text in decode(shapes["wrong"])]
    assert not any(caption.holds(scene, 16) for caption, scene in zip(wrong, scenes))
    own = [parse(text) for text in decode(shapes["text"])]
    assert all(caption.holds(scene, 16) for caption, scene in zip(own, scenes))
    assert any(own[i].holds(scenes[(i + k) % 400], 16) for k in range(1, 4) for i in range(400))


def read_and_unread(shapes, wrong):
    """How much higher a captions' own images stand with D than under a wrong caption, after training D alone, with
    the pair (real, wrong) or without."""
    model, rng = build(shapes, 2), backend.rng(3)
    params = model.discriminator.parameters()
    optimizer = adam(2e-3)(params)
    for step in range(60):
        rows = np.arange(32) + 32 * (step % 10)
        batch = shapes.batch(rows)
        x, h, h_hat = asarray(shapes.spaces["x"].signed(batch["x"])), model.phi(batch["text"]), model.phi(batch["wrong"])
        loss = softplus(-model.discriminator(x, h)).mean()
        with no_grad():
            fake = model.draw(h, rng)
        loss = loss + 0.5 * softplus(model.discriminator(fake, h)).mean()
        if wrong:
            loss = loss + 0.5 * softplus(model.discriminator(x, h_hat)).mean()
        optimizer.step(grad(loss, params), 1.0, 0.0)
    last = shapes.batch(np.arange(320))
    with no_grad():
        x = asarray(shapes.spaces["x"].signed(last["x"]))
        gap = model.discriminator(x, model.phi(last["text"])) - model.discriminator(x, model.phi(last["wrong"]))
    return float((gap.numpy() > 0).mean())


def test_without_the_pair_of_a_real_image_and_a_wrong_text_D_does_not_read(shapes):
    """It tells real from fake without; which of two captions is the right one, it then need not know."""
    assert read_and_unread(shapes, wrong=True) > 0.75
    assert read_and_unread(shapes, wrong=False) < 0.65


def test_phi_is_frozen_and_of_the_size_of_noise(model, shapes):
    h = model.phi(shapes["text"][:50]).numpy()
    np.testing.assert_allclose((h**2).sum(axis=1), 32, rtol=1e-4)
    held = {id(p) for player in model.players() for p in player.params}
    assert not any(id(p) in held for p in model.clip.module.parameters())
    assert {id(p) for p in model.parameters()} == held
    loss = model.generator_loss(shapes.batch(np.arange(4)), backend.rng(0))["-L_G"]
    slopes = grad(loss, model.generator.parameters())
    assert all(np.isfinite(slope.numpy()).all() for slope in slopes)


def test_samples_follow_the_caption_as_in_training(model, shapes):
    """The same noise under other words is another image; what `sample` draws is what the losses see."""
    model.eval()
    text, wrong = shapes["text"][:6], shapes["wrong"][:6]
    a, b = (model.sample(6, backend.rng(0), text=t) for t in (text, wrong))
    assert abs(a - b).max() > 1e-3 and a.min() >= 0 and a.max() <= 1
    drawn = model.space.from_signed(model.draw(model.phi(text), backend.rng(0)).data)
    np.testing.assert_array_equal(a, drawn)
    assert model.sample(3, backend.rng(0)).shape == (3, 3, 16, 16)


def test_what_does_not_fit_is_named(model, shapes):
    batch = shapes.batch(np.arange(4))
    del batch["wrong"]
    with pytest.raises(ValueError, match="the data have no captions that are wrong, only x, text; the view `contrasted`"):
        model.discriminator_loss(batch, backend.rng(0))
    with pytest.raises(ValueError, match="2 captions for 3 samples"):
        model.sample(3, backend.rng(0), text=shapes["text"][:2])
    rng, space = backend.rng(0), shapes.spaces["x"]
    with pytest.raises(ValueError, match="the generator takes 32 numbers, and the text is 32 of them"):
        TextGAN(ConvGenerator(32, space.shape, width=8, rng=rng), model.discriminator, space, model.clip)
    with pytest.raises(ValueError, match="the generator makes images of shape"):
        TextGAN(ConvGenerator(40, (3, 8, 8), width=8, rng=rng), model.discriminator, space, model.clip)
