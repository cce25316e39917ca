"""Growing changes nothing at first and all at last; D sees variety; the traps of others are shut."""
import runpy
from pathlib import Path

import numpy as np
import pytest

from autograd import as_tensor, backend, grad, gradcheck, no_grad
from autograd.backend import asarray
from minigen.adversarial.equalized import EqualizedConv2d, EqualizedLinear, minibatch_deviation, pixel_norm
from minigen.data import Dataset, Space
from minigen.models.adversarial import ProDiscriminator, ProGAN, ProGenerator
from minigen.models.adversarial.progan import down, up
from minigen.optim import adam
from minigen.recipes.adversarial import growing
from minigen.train import Plan, Run, Stage

RESUMPTION = runpy.run_path(str(Path(__file__).with_name("resumption.py")))
SHAPE = (3, 16, 16)


def rng(seed=0):
    return backend.rng(seed)


def build(seed=0, shape=SHAPE):
    r = rng(seed)
    return ProGAN(ProGenerator(6, shape, width=16, rng=r), ProDiscriminator(shape, width=16, rng=r),
                  Space(shape, 256))


def images(n, side, seed=1):
    return asarray(np.float32(rng(seed).uniform(-1, 1, (n, 3, side, side))))


@pytest.mark.parametrize("times", [1, 2])
def test_at_alpha_0_the_grown_networks_are_the_old_ones(times):
    model, z = build(), asarray(np.float32(rng(2).standard_normal((4, 6))))
    for _ in range(times - 1):
        model.grow()
    model.settle()
    model.set_alpha()
    small = images(4, 4 * 2**times)
    with no_grad():
        drawn = model.generator(z).numpy()
        judged = model.discriminator(down(small)).numpy()
        model.grow()
        model.done = 0.0
        model.set_alpha()
        np.testing.assert_allclose(model.generator(z).numpy(), up(as_tensor(asarray(drawn))).numpy(), atol=1e-6)
        np.testing.assert_allclose(model.discriminator(small).numpy(), judged, atol=1e-6)
        model.done = 0.999  # nearly all of the new
        model.set_alpha()
        nearly = model.generator(z).numpy(), model.discriminator(small).numpy()
        model.settle()
        model.set_alpha()
        new = model.generator(z).numpy(), model.discriminator(small).numpy()
    for a, b in zip(nearly, new):
        np.testing.assert_allclose(a, b, atol=0.02 * abs(b).max())
    assert abs(new[0] - up(as_tensor(asarray(drawn))).numpy()).max() > 0.1  # which is another


def test_alpha_runs_from_0_to_1_in_every_fade_and_is_1_at_rest():
    """Stuck at 0, or set before the wrong stage, were others' faults."""
    model, seen = build(), []

    data = Dataset("x", "train", {"x": np.uint8(rng().integers(0, 256, (40, *SHAPE)))}, {"x": model.space}, "x")
    stages = [Stage(name, model.players, adam(1e-3), steps, 8, begin=begin, ema=(model.generator, 0.9))
              for name, steps, begin in growing(model, 16, steps=4)]
    run = Run(Plan(model, stages), data, rng=rng(3))
    while not run.over:
        run.advance()
        seen.append((run.stage.name, model.generator.alpha, model.discriminator.alpha, model.generator.side))
    names = [name for name, *_ in seen[::4]]
    assert names == ["4 x 4", "fade to 8 x 8", "8 x 8", "fade to 16 x 16", "16 x 16"]
    for name, alpha, other, side in seen:
        assert alpha == other and side == int(name.split()[-1]) and (name.startswith("fade") or alpha == 1)
    fades = [alpha for name, alpha, *_ in seen if name.startswith("fade")]
    assert fades == [0, 0.25, 0.5, 0.75] * 2
    assert model.sample(2, rng()).shape == (2, *SHAPE)


def test_cut_in_the_middle_of_a_growing_stage_it_goes_on_bit_for_bit(tmp_path):
    data = Dataset("x", "train", {"x": np.uint8(rng().integers(0, 256, (40, *SHAPE)))}, {"x": Space(SHAPE, 256)}, "x")

    def begin():
        model = build(4)
        stages = [Stage(name, model.players, adam(1e-3, betas=(0.0, 0.99)), steps, 8, begin=start,
                        ema=(model.generator, 0.9)) for name, steps, start in growing(model, 16, steps=3)]
        return Run(Plan(model, stages), data, rng=rng(5))

    cut = RESUMPTION["assert_goes_on_bit_for_bit"](begin, 11, tmp_path)
    assert cut.stage.name == "fade to 16 x 16"


def test_real_images_are_faded_as_generated_ones_are():
    model = build()
    model.grow()
    x, small = images(3, 16), down(as_tensor(images(3, 16))).numpy()
    blurred = up(down(as_tensor(asarray(small)))).numpy()
    for done in (0.0, 0.3, 1.0):
        model.done = done
        np.testing.assert_allclose(np.asarray(model.seen(x)), (1 - done) * blurred + done * small, atol=1e-6)
    model.settle()
    np.testing.assert_allclose(np.asarray(model.seen(x)), small, atol=1e-6)


def test_the_deviation_of_a_group_is_one_more_map():
    x = images(8, 4)
    y = minibatch_deviation(as_tensor(x)).numpy()
    assert y.shape == (8, 4, 4, 4)
    np.testing.assert_array_equal(y[:, :3], x)
    for group in (slice(0, 4), slice(4, 8)):
        np.testing.assert_allclose(y[group, 3], np.asarray(x)[group].std(axis=0).mean(), rtol=1e-4)
    same = minibatch_deviation(as_tensor(x[:1].repeat(4, axis=0))).numpy()
    assert same[:, 3].max() < 1e-3  # samples that are all alike are told at once
    assert minibatch_deviation(as_tensor(x[:3])).shape == (3, 4, 4, 4)  # fewer than a group
    gradcheck(lambda x: minibatch_deviation(x), [rng(2).standard_normal((5, 2, 2, 2))])


def test_D_never_sees_real_and_generated_images_in_one_group():
    """Its batches are separate: a map over both would tell them apart by nothing that G can change."""
    model, calls = build(), []
    inner = model.discriminator.forward
    model.discriminator.forward = lambda x: calls.append(as_tensor(x).shape[0]) or inner(x)
    model.discriminator_loss({"x": np.uint8(rng().integers(0, 256, (8, *SHAPE)))}, rng(1))
    assert calls == [8, 8, 8]  # between, real, generated


def test_weights_are_scaled_when_they_are_used():
    """He's constant, whatever the fan: N(0, 1) weights give numbers of the deviation sqrt(2) from those of 1."""
    r = rng(1)
    conv, layer = EqualizedConv2d(64, 48, 3, rng=r), EqualizedLinear(400, 300, rng=r)
    assert conv.weight.numpy().std() == pytest.approx(1, abs=0.02)
    x = asarray(np.float32(r.standard_normal((4, 64, 12, 12))))
    assert conv(x).numpy()[:, :, 1:-1, 1:-1].std() == pytest.approx(2**0.5, rel=0.05)
    h = asarray(np.float32(r.standard_normal((50, 400))))
    assert layer(h).numpy().std() == pytest.approx(2**0.5, rel=0.05)
    slow = EqualizedLinear(400, 300, rate=0.01, rng=r)
    assert slow(h).numpy().std() == pytest.approx(2**0.5, rel=0.05)
    assert slow.weight.numpy().std() == pytest.approx(100, rel=0.05)  # so that a step of Adam moves it by a hundredth


def test_pixels_are_normalized_over_their_channels():
    a = pixel_norm(as_tensor(images(2, 4)))
    np.testing.assert_allclose((a.numpy() ** 2).mean(axis=1), 1, rtol=1e-4)
    gradcheck(pixel_norm, [rng(3).standard_normal((2, 3, 2))])


def test_the_loss_is_wgan_gps_and_drift():
    model, batch = build(), {"x": np.uint8(rng().integers(0, 256, (8, *SHAPE)))}
    terms = model.discriminator_loss(batch, rng(1))
    x = model.seen(model.space.signed(batch["x"]))
    with no_grad():
        drift = (model.discriminator(x).numpy() ** 2).mean()
    expected = 10 * terms["penalty"].item() - terms["distance"].item() + 0.001 * drift
    assert terms["loss"].item() == pytest.approx(expected, rel=1e-4)
    slopes = grad(terms["loss"], model.discriminator.parameters())
    assert all(np.isfinite(s.numpy()).all() for s in slopes)


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 16, 32), (1, 4, 4)])
def test_sizes_that_cannot_be_grown_to_are_refused(shape):
    with pytest.raises(ValueError, match="expected square images whose side is a power of 2, 8 at least"):
        ProGenerator(4, shape, rng=rng())


def test_it_does_not_grow_beyond_its_images():
    model = build()
    model.grow()
    model.grow()
    with pytest.raises(ValueError, match="16 pixels are reached"):
        model.grow()
