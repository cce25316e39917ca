"""ADM's choices of architecture, one at a time and together, each given the same computing time.

Attention at every level and not the lowest alone; several heads of it; residual blocks that themselves halve and double
(BigGAN's); a code of the time that scales the norms too (AdaGN); sums over sqrt(2); and all but the last, which is what
the paper kept. Compared by the squared error of eps on digits that none has seen, with the same noise, so that
differences are paired, and by the Frechet distance of samples. What costs time takes fewer steps here. Where the seeds
disagree, it was not the choice that made the difference. Writes 231_adm_choices.png.
Course: 9.8.
"""
import time

import matplotlib.pyplot as plt
import numpy as np

from autograd import no_grad
from autograd.backend import normal, rng, to_numpy
from minigen import data, plot
from minigen.diffusion import ancestral_tilde, cosine_schedule
from minigen.metrics import frechet_distance, mean_interval
from minigen.models.classifiers import pretrained
from minigen.models.diffusion import DDPM
from minigen.nn import AdaGNBlock, RescaledBlock, ResDownsample, ResUpsample, UNet
from minigen.optim import adam, cosine_decay, linear_warmup
from minigen.train import Run, one_stage, train

SECONDS, SAMPLES, SEEDS, DOWN = 140.0, 350, 2, 25  # of computing, for all; DOWN: steps of drawing
BIGGAN, EVERYWHERE = dict(down=ResDownsample, up=ResUpsample), dict(attention=(0, 1))
CHOICES = {"plain": {}, "attention at both levels": EVERYWHERE, "and 4 heads": dict(EVERYWHERE, heads=4),
           "BigGAN's resampling": BIGGAN, "AdaGN": dict(block=AdaGNBlock), "over sqrt(2)": dict(block=RescaledBlock),
           "all but the last": dict(EVERYWHERE, heads=4, block=AdaGNBlock, **BIGGAN)}
EACH = SECONDS / len(CHOICES) / SEEDS

digits, valid = data.load("digits"), data.load("digits", "valid").first(SAMPLES)
space, judge, schedule = digits.spaces["x"], pretrained("digits").judge, cosine_schedule(1000)
features = judge(space.drawn(valid["x"]))[0]
floor = frechet_distance(judge(space.drawn(digits["x"][:SAMPLES]))[0], features)
t = np.linspace(50, 950, 10).astype(int).repeat(len(valid))  # ten times for each digit
eps = normal(rng(1), (len(t), *space.shape))
x_t = schedule.q_sample(space.signed(np.concatenate([valid["x"]] * 10)), t, eps)

figure, (loss, distance, drawn) = plt.subplots(1, 3, figsize=(15, 4.6), layout="constrained", width_ratios=[3, 3, 2])
plain = {}
for seed in range(SEEDS):
    for i, (name, settings) in enumerate(CHOICES.items()):
        noise = rng(seed)
        network = UNet(1, width=16, multipliers=(1, 2), blocks=1, rng=noise, **settings)
        model = DDPM(network, schedule, space, ancestral_tilde, steps=DOWN)
        plan = one_stage(model, adam(linear_warmup(cosine_decay(2e-3), 0.05)), 500, 64, ema=(network, 0.99), clip=1.0)
        run = train(Run(plan, digits, rng=noise, budget=EACH), clock=time.process_time)
        with run.evaluating(), no_grad():
            wrong = to_numpy((network(x_t, t).data - eps) ** 2)
            x = model.sample(SAMPLES, rng(2))
        each = wrong.reshape(10, len(valid), -1).mean(axis=(0, 2))  # of each digit
        plain.setdefault(seed, each)
        better, far = mean_interval(plain[seed] - each), frechet_distance(judge(x)[0], features)
        print(f"seed {seed}, {name:24}: {run.step:4} steps, error {each.mean():.4f}, below the plain one's by "
              f"{better[0]:.4f} ± {better[1]:.4f}, Frechet distance {far:.2f}", flush=True)
        loss.errorbar(better[0], name, xerr=better[1], fmt="o", capsize=3, color=f"C{seed}")
        distance.plot(far, name, "o", color=f"C{seed}", label=None if i else f"seed {seed}")
print(f"the training digits: Frechet distance {floor:.2f}")
distance.axvline(floor, color="k", linestyle=":", label="training digits")
figure.legend(loc="outside lower center", ncols=3)
for axes, title in ((loss, "error of eps below the plain network's"), (distance, "Frechet distance of samples")):
    axes.set_title(f"{title}\n{EACH:.0f} s of computing each")
    axes.grid(alpha=0.3)
    axes.invert_yaxis()
drawn.imshow(plot.sheet(x[:48], columns=6))
drawn.set(title="samples of the last", xticks=[], yticks=[])
figure.savefig("231_adm_choices.png", dpi=100)
print("wrote 231_adm_choices.png")
