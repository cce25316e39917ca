"""Styles rule their layer and no other, penalties are those of the papers and come when due, and a run goes on."""
import runpy
from pathlib import Path

import numpy as np
import pytest

from autograd import Tensor, as_tensor, backend, grad, gradcheck, no_grad, parameter
from autograd.backend import asarray, to_numpy
from minigen.adversarial.augment import augmented, cutout, recoloured, translated
from minigen.adversarial.penalties import path_lengths, r1
from minigen.adversarial.styles import StyleGenerator, StyleLayer
from minigen.data import Dataset, Space
from minigen.models.adversarial import ProDiscriminator, StyleGAN
from minigen.models.adversarial.stylegan import LAZY_PATH, LAZY_R1
from minigen.optim import adam
from minigen.train import Run, one_stage

RESUMPTION = runpy.run_path(str(Path(__file__).with_name("resumption.py")))
SHAPE = (3, 16, 16)


def rng(seed=0):
    return backend.rng(seed)


def build(seed=0, **settings):
    r = rng(seed)
    D = ProDiscriminator(SHAPE, width=8, rng=r)
    while D.side < 16:
        D.grow()
    return StyleGAN(StyleGenerator(6, SHAPE, width=8, style=8, depth=3, rng=r), D, Space(SHAPE, 256), **settings)


def dataset(n=40):
    x = np.uint8(rng(7).integers(0, 256, (n, *SHAPE)))
    return Dataset("x", "train", {"x": x}, {"x": Space(SHAPE, 256)}, "x")


# Styles


def test_the_style_sets_mean_and_deviation_of_each_channel():
    """Eq. 1: whatever came in, as the statistics of what came in are gone; so a style rules one layer."""
    layer, w = StyleLayer(4, 5, 3, rng=rng(1)), asarray(np.float32(rng(2).standard_normal((2, 3))))
    with no_grad():
        y = to_numpy(layer.A(w).data).reshape(2, 2, 5)
        for scale in (1.0, 7.0):
            h = as_tensor(asarray(np.float32(scale * (rng(3).standard_normal((2, 5, 6, 6)) + 2))))
            out = layer.styled(h, w).numpy()
            np.testing.assert_allclose(out.mean(axis=(2, 3)), y[:, 1], atol=1e-4)
            np.testing.assert_allclose(out.std(axis=(2, 3)), abs(1 + y[:, 0]), rtol=1e-3)
    small = np.asarray(rng(4).standard_normal((2, 5, 2, 3)))
    gradcheck(lambda h: layer.styled(h, asarray(np.float64(w))), [small])


def test_a_style_acts_from_its_layer_on_and_noise_where_B_lets_it():
    generator = build().generator
    w = np.float32(rng(1).standard_normal((2, len(generator.layers), 8)))
    seen = []
    for layer in generator.layers:
        inner = layer.forward
        layer.forward = lambda h, w, r, inner=inner: seen.append(inner(h, w, r)) or seen[-1]
    with no_grad():
        def maps(w, seed):
            seen.clear()
            generator.draw(as_tensor(asarray(w)), rng(seed))
            return [h.numpy() for h in seen]

        first = maps(w, 0)
        changed = w.copy()
        changed[:, 2] += 1
        for i, (a, b) in enumerate(zip(first, maps(changed, 0))):
            assert np.array_equal(a, b) == (i < 2)
        assert all(np.array_equal(a, b) for a, b in zip(first, maps(w, 1)))  # B begins as 0
        generator.layers[3].B.assign(0.5)
        assert [np.array_equal(a, b) for a, b in zip(first, maps(w, 0))] == [True] * 3 + [False] * 3


def test_the_mapping_network_learns_a_hundred_times_as_slowly():
    """At the full rate it diverges: a step of Adam moves its weights, as they are used, by a hundredth."""
    model = build()
    mapping, conv = model.generator.mapping[0], model.generator.layers[1].conv
    used = lambda layer: (layer.scale * layer.weight).numpy() / layer.scale
    before = [mapping.weight.numpy() * mapping.rate, conv.weight.numpy().copy()]
    optimizer = adam(0.01)([mapping.weight, conv.weight])
    loss = model.generator_loss(4, rng(1))["loss"]
    optimizer.step(grad(loss, [mapping.weight, conv.weight]), 1.0, 0.0)
    moved = [abs(mapping.weight.numpy() * mapping.rate - before[0]).max(), abs(used(conv) - before[1]).max()]
    assert moved[0] == pytest.approx(1e-4, rel=0.05) and moved[1] == pytest.approx(1e-2, rel=0.05)


def test_mixing_takes_coarse_styles_of_one_and_fine_ones_of_the_other():
    model = build().eval()
    a, b = (rng(seed).standard_normal((3, 6)).astype(np.float32) for seed in (1, 2))
    L = len(model.generator.layers)
    np.testing.assert_array_equal(model.mix(a, b, L), model.decode(a))
    np.testing.assert_array_equal(model.mix(a, b, 0), model.decode(b))
    np.testing.assert_array_equal(model.mix(a, a, 3), model.decode(a))
    middle = model.mix(a, b, 3)
    assert abs(middle - model.decode(a)).max() > 1e-3 and abs(middle - model.decode(b)).max() > 1e-3
    np.testing.assert_array_equal(model.decode(a), model.decode(a))  # the noise is always the same


def test_w_bar_is_tracked_and_truncation_leads_to_it():
    model, r = build(), rng(3)
    model.train()
    with no_grad():
        for _ in range(600):
            model.mixed(8, r)
        w = to_numpy(model.generator.styles(asarray(np.float32(rng(5).standard_normal((4000, 6))))).data)
    mean = w.mean(axis=0)
    assert abs(model.generator.w_bar - mean).max() < 0.3 * abs(mean).max()  # 600 draws of 8 from 0, at 0.005
    assert np.linalg.norm(model.generator.w_bar) > 0.7 * np.linalg.norm(mean)
    model.psi = 0.0
    images = model.decode(rng(6).standard_normal((3, 6)))
    assert abs(images[1:] - images[:1]).max() < 0.05  # noise is all that they differ by
    model.psi = 0.5
    half = model.truncated(asarray(w[:5]))
    np.testing.assert_allclose(to_numpy(half), (w[:5] + model.generator.w_bar) / 2, atol=1e-6)


# Penalties


def test_r1_is_the_mean_square_of_the_slope():
    x = np.random.default_rng(0).standard_normal((5, 2, 3, 3))
    W = parameter(np.random.default_rng(1).standard_normal((2, 3, 3)))
    linear = lambda x: (W * x).sum(axis=(1, 2, 3))  # slope W everywhere
    assert r1(linear, x).item() == pytest.approx((W.numpy() ** 2).sum())
    square = lambda x: 0.5 * (x * x).sum(axis=(1, 2, 3))  # slope x
    assert r1(square, x).item() == pytest.approx((x**2).sum() / 5)
    np.testing.assert_allclose(grad(r1(linear, x), W).numpy(), 2 * W.numpy())


def test_path_lengths_of_a_linear_generator():
    """x = A w for each layer: J^T y = A^T y, whatever w is."""
    r = np.random.default_rng(2)
    A = as_tensor(r.standard_normal((2 * 4 * 4, 3)))
    w = parameter(r.standard_normal((6, 2, 3)))
    x = (w.sum(axis=1) @ A.T).reshape(6, 2, 4, 4)
    lengths = path_lengths(x, w, rng(3)).numpy()
    y = np.float64(backend.normal(rng(3), (6, 2, 4, 4))).reshape(6, 32) / 4
    np.testing.assert_allclose(lengths, np.linalg.norm(y @ A.numpy(), axis=1), rtol=1e-5)  # alike in both layers


def test_penalties_come_when_due_with_their_factor_and_without_each_other():
    """R1 at data only, half of gamma, 16 times every 16th step; it stays where path lengths are left out."""
    model, batch = build(gamma=3.0, path=0.0, mixing=0.0), dataset().batch(np.arange(8))
    model.train()
    x = model.space.signed(batch["x"])
    slope = r1(model.discriminator, x).item()
    extra = [terms["loss"].item() - terms["-V"].item()
             for terms in (model.discriminator_loss(batch, rng(i)) for i in range(2 * LAZY_R1 + 1))]
    due = [i % LAZY_R1 == 0 for i in range(2 * LAZY_R1 + 1)]
    np.testing.assert_allclose(extra, np.where(due, LAZY_R1 * 0.5 * 3.0 * slope, 0), rtol=1e-4, atol=1e-5)
    assert np.mean(extra[:LAZY_R1]) == pytest.approx(0.5 * 3.0 * slope, rel=1e-4)  # as if it came every time

    model = build(path=2.0, gamma=0.0)
    model.train()
    terms = [model.generator_loss(4, rng(i)) for i in range(2 * LAZY_PATH)]
    extra = np.array([t["loss"].item() - t["nonsaturating"].item() for t in terms])
    assert (extra[::LAZY_PATH] > 0).all() and np.delete(extra, [0, LAZY_PATH]).max() == 0
    assert model.length[0] > 0
    model.eval()
    before = model.steps_G.copy(), model.length.copy()
    model.generator_loss(4, rng())  # looking on moves no counter
    assert np.array_equal(before[0], model.steps_G) and np.array_equal(before[1], model.length)


def test_cut_between_two_turns_of_the_penalties_it_goes_on_bit_for_bit(tmp_path):
    def begin():
        model = build(5, augment=True)
        return Run(one_stage(model, adam(1e-3, betas=(0.0, 0.99)), 21, 8, ema=(model.generator, 0.9)), dataset(),
                   rng=rng(6))

    RESUMPTION["assert_goes_on_bit_for_bit"](begin, 10, tmp_path)


# Augmentation


def test_augmented_images_are_moved_recoloured_and_covered():
    x = np.float64(rng(1).uniform(-1, 1, (6, 3, 16, 16)))
    moved = translated(as_tensor(x), rng(2)).numpy()
    for before, after in zip(x, moved):  # each by one step of its own; 0 where nothing comes from
        wide = np.pad(before, ((0, 0), (2, 2), (2, 2)))
        assert any(np.array_equal(after, wide[:, i : i + 16, j : j + 16]) for i in range(5) for j in range(5))
    assert not np.array_equal(moved, x)
    covered = cutout(as_tensor(x), rng(3)).numpy()
    assert ((covered == 0).sum(axis=(1, 2, 3)) == 3 * 64).all()
    coloured = recoloured(as_tensor(x), rng(4)).numpy()
    for before, after in zip(x, coloured):  # the pattern stays, pixel by pixel
        assert np.corrcoef(before.mean(axis=0).ravel(), after.mean(axis=0).ravel())[0, 1] > 0.999
    gradcheck(lambda x: augmented(x, rng(5)), [np.float64(rng(6).uniform(-1, 1, (2, 3, 8, 8)))])


@pytest.mark.parametrize("augment", [True, False])
def test_D_sees_real_and_generated_images_through_the_same_augmentation(augment):
    model, seen = build(augment=augment), []
    inner = model.shown
    model.shown = lambda x, r: seen.append(len(to_numpy(as_tensor(x).data))) or inner(x, r)
    model.discriminator_loss(dataset().batch(np.arange(4)), rng())
    terms = model.generator_loss(4, rng())
    assert seen == [4, 4, 4]
    slopes = grad(terms["loss"], model.generator.parameters(), allow_unused=True)
    assert all(abs(s.numpy()).max() > 0 for s in slopes if isinstance(s, Tensor) and s.size > 8)


def test_paths_are_measured_in_both_spaces_and_other_sizes_refused():
    measures = build().eval().measure({}, rng())
    assert [m.name for m in measures] == ["path length in Z", "path length in W"]
    assert all(m.value > 0 and m.half_width > 0 for m in measures)
    with pytest.raises(ValueError, match="expected square images whose side is a power of 2"):
        StyleGenerator(6, (3, 28, 28), rng=rng())
