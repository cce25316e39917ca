"""CycleGAN: its losses by hand, and four ways to a perfect cycle with a wrong picture, each found out."""
import numpy as np
import pytest

from autograd import as_tensor
from autograd.backend import asarray, rng, to_numpy
from minigen import data, recipes
from minigen.data import Space
from minigen.evaluate import evaluate
from minigen.judges import judge_translations
from minigen.models.adversarial import CycleGAN
from minigen.nn import Module
from minigen.train import Run, train

SPACE = Space((1, 16, 16), 256)


class By(Module):
    """A translator, or a discriminator, by a function."""

    def __init__(self, f):
        self.f = f

    def forward(self, x):
        return self.f(as_tensor(x))


def half(x):
    return 0.5 + 0 * x[:, :, :4, :4]


def model(G, F, **settings):
    return CycleGAN(By(G), By(F), By(half), By(half), SPACE, SPACE, **settings)


def batch(n=6, seed=0):
    a, b = np.random.default_rng(seed).integers(0, 256, (2, n, 1, 16, 16))
    return {"a": a, "b": b}


same, negative = (lambda x: x), (lambda x: -x)


def test_the_losses_by_hand():
    columns = batch()
    a, b = (2 * columns[name] / 255 - 1 for name in "ab")
    terms = model(lambda x: 0.5 * x, lambda x: x + 0.1, weight=4.0, identity=0.25).translators_loss(columns, rng(0))
    L_cyc = 2 * abs(0.5 * a + 0.1 - a).mean() / 2 + abs(0.5 * (b + 0.1) - b).mean()
    L_identity = abs(0.5 * b - b).mean() + 0.1
    for name, value in ("L_cyc", L_cyc), ("L_identity", L_identity), ("L_GAN", 2 * 0.5 * 0.25):
        assert terms[name].item() == pytest.approx(value, rel=1e-4), name
    assert terms["L"].item() == pytest.approx(0.25 + 4 * L_cyc + 4 * 0.25 * L_identity, rel=1e-4)


def test_negatives_have_a_perfect_cycle_and_only_the_identity_loss_objects():
    """The trap of inverted colours: of sets that are symmetric D cannot tell a negative."""
    inverted, right = (model(f, f).translators_loss(batch(), rng(0)) for f in (negative, same))
    assert inverted["L_cyc"].item() < 1e-6 and inverted["L_GAN"].item() == right["L_GAN"].item()
    assert right["L_identity"].item() < 1e-6 and inverted["L_identity"].item() > 1
    assert "L_identity" not in model(negative, negative, identity=0.0).translators_loss(batch(), rng(0))


class WrongIdentity(CycleGAN):
    """Compared with the wrong domain: what G is to leave alone are images of a."""

    def translators_loss(self, batch, rng):
        terms = super().translators_loss(batch, rng)
        a, b = self.images(batch)
        return {**terms, "L_identity": abs(self.G(a) - a).mean() + abs(self.F(b) - b).mean()}


def test_the_identity_loss_is_of_the_domain_that_is_asked_for():
    """The trap: G makes dark images bright, F the reverse, and each leaves alone what is so already. That costs nothing;
    the broken loss asks G to do nothing."""
    columns = batch()
    columns = {"a": columns["a"] // 4, "b": 255 - columns["b"] // 4}
    G, F = (lambda x: abs(x)), (lambda x: -abs(x))
    assert model(G, F).translators_loss(columns, rng(0))["L_identity"].item() < 1e-6
    broken = WrongIdentity(By(G), By(F), By(half), By(half), SPACE, SPACE)
    assert broken.translators_loss(columns, rng(0))["L_identity"].item() > 1


def test_a_picture_in_which_the_way_back_is_hidden():
    """The trap: G draws one picture whatever a is, and writes a into it at an amplitude of a hundredth. The cycle is
    perfect; with a little noise it is gone. An honest way back bears the noise."""
    columns = batch()
    hidden = model(lambda a: 0.3 + 0.01 * a, lambda b: (b - 0.3) * 100)
    honest = model(lambda a: 0.8 * a, lambda b: b / 0.8 + 0.05)
    (plain, noisy), (honest_plain, honest_noisy) = (m.measure(columns, rng(0)) for m in (hidden, honest))
    assert plain.value < 1e-3 and noisy.value > 100 * plain.value
    assert honest_noisy.value < 2.5 * honest_plain.value


def test_the_judge_sees_a_permutation_that_the_cycle_does_not():
    """G translates each letter into another one's bold. Nobody who judges by the cycle would know."""
    pairs = data.load("glyphs", "valid")
    b = pairs["b"] / 255
    right, wrong = (judge_translations(samples, pairs) for samples in (b, np.roll(b, 1, axis=0)))
    assert [m.name for m in right] == ["L1", "top-1", "ink"]
    assert [m.value for m in right] == pytest.approx([0, 1, 1], abs=1e-6)
    assert wrong[0].value > 0.1 and wrong[1].value == 0 and wrong[2].value == pytest.approx(1)
    assert "the source as it is" in right[0].detail


def test_a_run_on_letters(tmp_path):
    """Resumed bit for bit, pools and all; evaluated against the truth; in eval mode the pools stay as they are."""
    glyphs, valid = (data.load("glyphs", split).first(20) for split in ("train", "valid"))

    def begin():
        noise = rng(0)
        return Run(recipes.find("cyclegan").plan(glyphs, noise), glyphs, rng=noise, steps=4)

    run = begin()
    run.advance()
    run.save(tmp_path / "run.safetensors", {})
    train(run)
    again = begin()
    again.restore(tmp_path / "run.safetensors")
    train(again)
    for key, array in run.model.state_dict().items():
        assert array.tobytes() == again.model.state_dict()[key].tobytes(), key
    pool = to_numpy(run.model.pool_b.images).copy()
    assert int(run.model.pool_a.filled) == 50
    run.validate(valid)
    np.testing.assert_array_equal(to_numpy(run.model.pool_b.images), pool)
    with run.evaluating():
        names = [measure.name for measure in evaluate(run.model, valid, rng(0), glyphs)]
    assert names == ["cycle L1", "cycle L1 with noise", "L1", "top-1", "ink"]
    params = [id(p) for player in run.model.players() for p in player.params]
    assert len(params) == len(set(params)) == len(run.model.parameters())


@pytest.mark.parametrize("call, message", [
    (lambda: model(same, same, weight=-1), "weight is -1, identity 0.5, expected 0 or more"),
    (lambda: CycleGAN(By(same), By(same), By(half), By(half), SPACE, Space((3, 16, 16), 256)), "use identity=0"),
    (lambda: model(same, same).translators_loss({"x": asarray(np.zeros(3))}, rng(0)), "no 'a'; use two sets"),
])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
