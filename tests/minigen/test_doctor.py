"""The doctor names the fault of a run that was broken in one way, and finds nothing wrong with sound ones."""
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from autograd import Tensor, parameter
from autograd.backend import normal, rng
from minigen import cli, data, doctor, recipes
from minigen.autoregressive import masks
from minigen.data import Dataset, Space
from minigen.diffusion import Schedule, ancestral, cosine_schedule, linear_schedule
from minigen.doctor import Case, examine
from minigen.doctor.diffusion import few_steps, way_down
from minigen.flows.layers import MaskedCoupling
from minigen.models.adversarial import GAN, MLPDiscriminator, MLPGenerator
from minigen.models.autoencoders import VAE, Autoencoder
from minigen.models.autoregressive import NADE, PixelCNN
from minigen.models.codes import VQVAE
from minigen.models.diffusion import DDPM
from minigen.nn import Module
from minigen.optim import adam, cosine_decay, sgd
from minigen.player import Player
from minigen.quantize.codebook import Codebook
from minigen.recipes.diffusion import unet
from minigen.train import Run, one_stage, train

pytestmark = pytest.mark.cpu  # broken models are written in NumPy
ROOT = Path(__file__).resolve().parents[2]
DIGITS, VALID = data.load("digits"), data.load("digits", "valid")
MOONS = data.load("two_moons").first(2000)
SPACE = DIGITS.spaces["x"]


def case_of(plan, dataset=DIGITS, valid=VALID, steps=2):
    """A Case of a plan after so many steps."""
    initial = plan.model.state_dict()
    run = Run(plan, dataset, rng=rng(0), steps=steps)
    train(run)
    return Case(run, valid, initial)


def trained(model, optimizers=None, steps=2, dataset=DIGITS, valid=VALID, **settings):
    batch_size = settings.pop("batch_size", 32)
    plan = one_stage(model, optimizers or adam(cosine_decay(2e-3)), 100, batch_size, **settings)
    return case_of(plan, dataset, valid, steps)


def faults(case):
    return [finding.fault for finding in examine(case)]


def named(case, fault):
    """The finding of this fault."""
    found = [finding for finding in examine(case) if finding.fault == fault]
    assert found, f"{fault} was not among {faults(case)}"
    assert found[0].says and found[0].do and np.isfinite(found[0].number)
    return found[0]


# Sound runs


SOUND = [("ae", "digits", 120), ("vae", "digits", 120), ("vqvae", "digits", 80),
         ("nade", "digits", 60), ("realnvp", "two_moons", 100), ("flow_matching", "two_moons", 150),
         ("ncsn", "two_moons", 100), ("ve_sde", "two_moons", 100), ("denoising_ae", "digits", 100),
         ("linear_ae", "digits", 100)]


@pytest.mark.parametrize("name, where, steps", SOUND)
def test_nothing_is_found_in_a_sound_run(name, where, steps):
    dataset, valid = data.load(where), data.load(where, "valid")
    case = case_of(recipes.find(name).plan(dataset, rng(0)), dataset, valid, steps)
    assert examine(case) == [], "\n".join(map(str, examine(case)))


@pytest.fixture(scope="module")
def sound_gan():
    """Eight Gaussians, learned for a short while by a small G and D."""
    points = data.load("eight_gaussians").first(4000)
    noise = rng(0)
    model = GAN(MLPGenerator(8, (2,), (64, 64), rng=noise), MLPDiscriminator((2,), (64, 64), rng=noise), points.spaces["x"])
    return trained(model, {"D": adam(2e-3, betas=(0.5, 0.9)), "G": adam(1e-3, betas=(0.5, 0.9))}, 800, points,
                   data.load("eight_gaussians", "valid"), batch_size=128)


def test_nothing_is_found_in_a_sound_game(sound_gan):
    assert examine(sound_gan) == [], "\n".join(map(str, examine(sound_gan)))


# The run


def ae(steps=2, optimizers=None, model=Autoencoder, dataset=DIGITS, **settings):
    return trained(model(SPACE, 8, (32,), rng=rng(0)), optimizers, steps, dataset, **settings)


def of_images(x, levels=256):
    return Dataset("own", "train", {"x": x}, {"x": Space(x.shape[1:], levels)}, "own images")


def test_pixels_of_another_range():
    dark = of_images((DIGITS["x"][:200] > 8).astype(np.uint8))  # 0 and 1, of 256 levels
    space = dark.spaces["x"]
    finding = named(trained(Autoencoder(space, 4, (16,), rng=rng(0)), dataset=dark, valid=dark), "units")
    assert "1 of 255" in finding.says


def test_points_that_were_not_scaled():
    far = replace(MOONS, columns={**MOONS.columns, "x": 100 * MOONS["x"]})
    plan = recipes.find("flow_matching").plan(far, rng(0))
    assert "standard deviation of 140" in named(case_of(plan, far, far), "units").says


def test_a_model_for_other_levels():
    other = Autoencoder(Space(SPACE.shape, 256), 4, (16,), rng=rng(0))
    case = Case(Run(one_stage(other, adam(1e-3), 2, 8), DIGITS, rng=rng(0)))
    assert "17 levels, the model was made for 256" in named(case, "units").says


def test_a_run_that_was_stopped():
    run = Run(one_stage(Autoencoder(SPACE, 4, (16,), rng=rng(0)), adam(cosine_decay(2e-3)), 10, 8), DIGITS, rng=rng(0))
    for _ in range(3):
        run.advance()
    assert named(Case(run, VALID), "unfinished").says.startswith("30% of it is done, and learning rate 0.00")


def test_a_learning_rate_of_zero():
    case = ae(5, adam(0.0))
    assert named(case, "learning rate").number == 0.0
    assert named(case, "never moved").number == 1.0


def test_weights_that_no_player_has():
    class Half(Autoencoder):
        def players(self):
            return [Player("autoencoder", self.decoder.parameters(), self.loss)]

    finding = named(ae(5, model=Half), "never moved")
    assert "encoder" in finding.says and "decoder" not in finding.says


def test_a_loss_that_still_falls():
    assert named(ae(60, adam(3e-4)), "still falling").number > 0.1
    assert "still falling" not in faults(ae(150))


def test_a_loss_that_rises_again():
    def rate(done):
        return 2e-3 if done < 0.6 else 0.5

    assert named(ae(100, adam(rate)), "diverging").number > 0.5


def test_an_average_that_still_holds_the_beginning():
    model = Autoencoder(SPACE, 8, (32,), rng=rng(0))
    plan = one_stage(model, adam(3e-3), 100, 32, ema=0.999)
    run = Run(plan, DIGITS, rng=rng(0), steps=100)
    run.ema.updates = 10**6  # the rule that lets young averages forget sooner is not in force
    train(run)
    assert "decay 0.999" in named(Case(run, VALID), "average too young").says


def test_data_learned_by_heart():
    few = of_images(DIGITS["x"][:12], 17)
    case = trained(Autoencoder(SPACE, 32, (128,), rng=rng(0)), adam(5e-3), 200, few, batch_size=12)
    assert named(case, "overfitting").number > 0.1


# The layers


def test_a_gradient_that_is_cut():
    class Cut(Autoencoder):
        def code(self, x):
            return super().code(x).detach()

    assert "encoder" in named(ae(model=Cut), "no gradient").says


def test_a_loss_without_a_gradient():
    case = ae()
    player = case.run.players[0]
    case.run.players = [replace(player, loss=lambda batch, noise: {"squared error": Tensor(np.float32(1))})]
    assert "depends on no weight" in named(case, "no gradient").says


def test_units_that_are_dead():
    case = ae()
    next(p for name, p in case.model.named_parameters() if name.endswith("bias") and p.size == 32).data[:30] = -50
    assert named(case, "dead units").number >= 30 / 32


def test_a_clip_that_leaves_nothing():
    assert named(ae(clip=1e-3), "always clipped").number > 20


# Diffusion


@pytest.fixture(scope="module")
def ddpm():
    """A sound one; its network is borrowed by the broken ones."""
    return case_of(recipes.find("ddpm").plan(DIGITS, rng(0)), steps=40)


def test_nothing_is_found_in_a_sound_diffusion(ddpm):
    assert examine(ddpm) == [], "\n".join(map(str, examine(ddpm)))


def with_network(ddpm, model=DDPM, schedule=None, **settings):
    """A case of another model with that network; not trained."""
    model = model(ddpm.model.network, schedule or ddpm.model.schedule, SPACE, **settings)
    return Case(Run(one_stage(model, adam(1e-3), 2, 8), DIGITS, rng=rng(0)), None)


@pytest.mark.parametrize("name", ["ddpm", "improved_ddpm", "ncsn", "ve_sde", "flow_matching"])
def test_the_way_down_of_each_diffusion_is_looked_at(name):
    assert way_down(recipes.find(name).plan(DIGITS, rng(0)).model)


def test_a_schedule_whose_tables_were_averaged(ddpm):
    schedule = cosine_schedule(1000)
    schedule.alpha_bar = 0.9 * schedule.alpha_bar + 0.1 * linear_schedule(1000).alpha_bar
    assert named(with_network(ddpm, schedule=schedule), "schedule").number > 0.01


def test_a_schedule_that_leaves_signal(ddpm):
    thousand_steps_meant = Schedule(np.linspace(1e-4, 0.02, 100))
    assert named(with_network(ddpm, schedule=thousand_steps_meant), "signal at the end").number > 0.5
    assert named(with_network(ddpm, schedule=Schedule(np.full(10, 0.5))), "noise at the start").number == pytest.approx(1)


def test_images_that_were_not_scaled(ddpm):
    class Raw(DDPM):
        def loss(self, batch, noise):
            t, x_0 = noise.integers(1, 1001, size=len(batch["x"])), np.float32(batch["x"])
            eps = normal(noise, x_0.shape)
            return {"loss": ((self.network(self.schedule.q_sample(x_0, t, eps), t) - Tensor(eps)) ** 2).mean()}

    assert named(with_network(ddpm, Raw), "not scaled").number > 3  # 0 .. 16 where -1 .. 1 belongs


@pytest.mark.parametrize("shift", [-1, 1])
def test_t_that_is_shifted_by_one(ddpm, shift):
    class Shifted(DDPM):
        def loss(self, batch, noise):
            x_0, t = self.space.signed(batch["x"]), noise.integers(2, 1000, size=len(batch["x"]))
            eps = normal(noise, x_0.shape)
            return {"loss": ((self.network(self.schedule.q_sample(x_0, t + shift, eps), t) - Tensor(eps)) ** 2).mean()}

    assert named(with_network(ddpm, Shifted), "t shifted").number == shift


def test_a_network_that_says_nothing():
    case = trained(DDPM(unet(SPACE, rng(0)), cosine_schedule(1000), SPACE), sgd(1e-9))
    assert named(case, "says nothing").number > 0.9


def test_a_network_that_is_wrong_at_some_t(ddpm):
    class Wrong(Module):
        def __init__(self, network):
            self.network = network

        def forward(self, x, t):
            sign = np.where((np.asarray(t) > 300) & (np.asarray(t) < 600), -1, 1).astype(np.float32)
            return self.network(x, t) * sign.reshape(-1, 1, 1, 1)

    model = DDPM(Wrong(ddpm.model.network), ddpm.model.schedule, SPACE)
    case = Case(Run(one_stage(model, adam(1e-3), 2, 8), DIGITS, rng=rng(0)), None)
    assert named(case, "worse than nothing").number > 1.5


class Exact(Module):
    """What a perfect network would say of the noise in x_t, if the data were these images (K, C, H, W) on [-1, 1]."""

    def __init__(self, images, schedule):
        self.images, self.schedule, self.unused = images, schedule, parameter(np.ones(2, np.float32))

    def forward(self, x_t, t):
        alpha_bar = np.float32(self.schedule.alpha_bar[np.asarray(t)]).reshape(-1, 1)
        x, rows = np.asarray(x_t.data if isinstance(x_t, Tensor) else x_t), self.images.reshape(len(self.images), -1)
        far = ((x.reshape(len(x), 1, -1) - np.sqrt(alpha_bar)[..., None] * rows) ** 2).sum(axis=2)
        x_0 = softmax(-0.5 * far / (1 - alpha_bar), axis=1) @ rows
        eps = (x.reshape(len(x), -1) - np.sqrt(alpha_bar) * x_0) / np.sqrt(1 - alpha_bar)
        return Tensor(np.float32(eps.reshape(x.shape)))


@pytest.mark.parametrize("steps, found", [(1, True), (20, False)])
def test_a_sampler_with_too_few_steps(steps, found):
    schedule = cosine_schedule(1000)
    model = DDPM(Exact(SPACE.signed(DIGITS["x"][:96]), schedule), schedule, SPACE, ancestral, steps)
    findings = list(few_steps(Case(Run(one_stage(model, adam(1e-3), 2, 8), DIGITS, rng=rng(0)))))
    assert bool(findings) == found
    assert not found or findings[0].fault == "few steps" and findings[0].says.startswith("in 1 steps")


# Latents and codes


def vae(beta=1.0, steps=100):
    return trained(VAE(SPACE, "categorical", 4, (64,), beta, rng=rng(0)), adam(3e-3), steps, batch_size=64)


def test_latents_that_say_nothing():
    case = vae(steps=2)
    for p in case.model.encoder.parameters()[-2:]:
        p.data[...] = 0.0  # mu = 0 and sigma = 1, whatever x is
    assert named(case, "collapse").number == pytest.approx(0, abs=1e-6)


def test_latents_that_are_not_used():
    case = vae(steps=40)
    case.model.encoder.parameters()[-2].data[1:4] = 0.0  # the rows of three of four mu
    assert named(case, "unused latents").says.startswith("1 of 4 latents carry all of the KL")


def test_codes_that_are_not_where_the_prior_is():
    assert named(vae(beta=1e-3), "codes off the prior").number > 6


def test_a_codebook_that_is_hardly_used():
    model = VQVAE(SPACE, Codebook(64, 8, restart=None, spread=False, rng=rng(0)), 16, rng=rng(0))
    case = trained(model)
    model.codebook.embedding.data[2:] += 1e3
    assert named(case, "dead codes").number <= 2


# Games


def test_a_discriminator_ten_times_too_strong(sound_gan):
    points = sound_gan.run.data
    noise = rng(0)
    model = GAN(MLPGenerator(8, (2,), (16,), rng=noise), MLPDiscriminator((2,), (64, 64), rng=noise), points.spaces["x"],
                loss="minimax")
    case = trained(model, {"D": adam(1e-2), "G": sgd(1e-6)}, 150, points, None, batch_size=128)
    assert named(case, "D too sure").number > 0.98
    assert named(case, "G's gradient").number < 0.1
    assert named(case, "mode collapse").number < 6


@pytest.mark.parametrize("dataset, says", [(DIGITS, "of 10 classes"), (MOONS, "of data have a sample near them")])
def test_samples_that_are_all_alike(dataset, says):
    noise, space = rng(0), dataset.spaces["x"]
    model = GAN(MLPGenerator(8, space.shape, (16,), rng=noise), MLPDiscriminator(space.shape, (16,), rng=noise), space)
    case = trained(model, steps=1, dataset=dataset, valid=None)
    model.generator.parameters()[-2].data[...] *= 0.01
    assert says in named(case, "mode collapse").says


# Likelihoods


def realnvp():
    return case_of(recipes.find("realnvp").plan(MOONS, rng(0)), MOONS, None, 20)


def test_an_inverse_that_does_not_come_back(monkeypatch):
    monkeypatch.setattr(MaskedCoupling, "inverse", lambda self, y, context=None: y - self._scale_and_shift(y, context)[1])
    assert named(realnvp(), "inverse").number > 0.01


def test_a_log_determinant_that_is_made_up(monkeypatch):
    case = realnvp()
    forward = MaskedCoupling.forward
    monkeypatch.setattr(MaskedCoupling, "forward", lambda self, x, context=None: (
        (y := forward(self, x, context))[0], y[1] * 0.5))
    assert named(case, "log-determinant").number > 0.05


def test_a_pixel_that_sees_itself(monkeypatch):
    model = PixelCNN(SPACE, width=4, blocks=1, rng=rng(0))
    mask = masks.causal_mask("B", masks.colours_of(8, 1), model.input_colours, (7, 7))
    model.first.mask[...] = mask  # A in a sound one
    case = trained(model, adam(2e-2), 8, batch_size=16)
    assert "told what it is to predict" in named(case, "sees the future").says


def test_a_number_that_sees_all_of_them():
    class Leaky(NADE):
        def logit(self, x):
            return super().logit(x) + 0.1 * Tensor(self.to_sequence(np.float32(x))).sum(axis=1, keepdims=True)

    assert "come before it" in named(trained(Leaky(SPACE, 8, rng=rng(0)), batch_size=4), "sees the future").says


def test_a_model_that_sees_nothing():
    class Blind(NADE):
        def logit(self, x):
            return super().logit(0 * x)

    assert named(trained(Blind(SPACE, 8, rng=rng(0)), batch_size=4), "blind").number == 0.0


# All of them


def test_every_fault_is_broken_here_and_explained():
    faults = {fault for path in Path(doctor.__file__).parent.glob("*.py")
              for fault in re.findall(r'Finding\("([^"]+)"', path.read_text())}
    tests, page = Path(__file__).read_text(), (ROOT / "docs/doctor.md").read_text()
    assert len(faults) >= 30
    assert not [fault for fault in faults if f'"{fault}"' not in tests]
    assert faults == set(re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE)) - {"fault", "---"}


# From the command line


def test_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "linear_ae", "--data", "digits", "--steps", "150", "--out", "run"]) == 0
    assert cli.main(["doctor", "run"]) == 0
    shown = capsys.readouterr().out
    assert "'run': step 150, where the recipe has " in shown and "nothing was found" in shown
    assert cli.main(["doctor", "nowhere"]) == 2 and "holds no run" in capsys.readouterr().err
