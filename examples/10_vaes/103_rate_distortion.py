"""What a code costs and what it saves: the same VAE for five prices beta of a nat of KL.

    rate R = E[KL(q(z | x) || p(z))],  distortion D = E[-log p(x | z)];  minimized: D + beta R     (Higgins et al. 2017)

R bounds what z says of x from above, and H - D from below, with H the entropy of the data (Alemi et al. 2018): so no
model is below the line D + R = H, and the ELBO only says how far above it one is, not where. beta says where: at the
optimum a nat more of rate saves beta nats of distortion, and the line of slope -beta touches the curve there. Cheap
codes give sharp reconstructions and poor samples, dear ones the mean of everything.
Writes 103_rate_distortion.png.
Course: 4.6, 12.5.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd.backend import rng
from minigen import data, plot
from minigen.importance import bound, weigh
from minigen.metrics import mean_interval
from minigen.models.autoencoders import VAE
from minigen.optim import adamw, cosine_decay
from minigen.train import Run, one_stage, train

STEPS = 500
BETAS = (0.1, 0.3, 1.0, 3.0, 10.0)

digits, test = data.load("digits"), data.load("digits", "test")
real = test.spaces["x"].drawn(test["x"][:16])
figure, (left, *sheets) = plt.subplots(1, 3, figsize=(15, 5), layout="constrained", width_ratios=[1.1, 1, 1])
reconstructions, samples, curve = [real[:8]], [real[8:]], []
print(test.note)
for beta in BETAS:
    noise = rng(0)
    model = VAE(digits.spaces["x"], "categorical", latent=12, hidden=(256,), beta=beta, rng=noise)
    plan = one_stage(model, adamw(cosine_decay(2e-3), weight_decay=1.0), STEPS, batch_size=100, ema=0.99)
    with train(Run(plan, digits, rng=noise)).evaluating() as model:
        elbo = bound(weigh(model.log_weights, test["x"], 50, model.likelihood, rng(1)), 1)
        terms = [model.loss(test.columns, rng(i)) for i in range(10)]
        rate, distortion = (np.mean([each[name].item() for each in terms]) for name in ("KL", "reconstruction"))
        reconstructions.append(model.reconstruct(test["x"][:8]))
        samples.append(model.sample(8, rng(2)))
    curve.append((rate, distortion))
    print(f"beta {beta:4}: rate {rate:6.2f}, distortion {distortion:6.2f}, "
          "-ELBO {:.1f} ± {:.1f} nats".format(*mean_interval(-elbo)))

R, D = np.array(curve).T
print(f"rate falls with beta: {(np.diff(R) < 0).all()}; distortion rises: {(np.diff(D) > 0).all()}")
for beta, x, y in zip(BETAS, R, D):
    reach = np.array([-1, 1]) * 8 / np.hypot(1, beta)
    left.plot(x + reach, y - beta * reach, color="grey", linewidth=1)
    left.annotate(rf"  $\beta$ = {beta:g}", (x, y))
left.plot(R, D, "o-", color=plot.TRAIN)
least = (R + D).min()
left.plot([0, R.max()], [least, least - R.max()], ":", color=plot.VALID, label=f"D + R = {least:.1f}, the best")
left.set(xlabel="rate R, nats", ylabel="distortion D, nats", title="digits test; grey: slope $-\\beta$")
left.legend()
titled = {"test digits, reconstructed": reconstructions, "others, and samples": samples}
for panel, (title, rows) in zip(sheets, titled.items()):
    panel.imshow(plot.sheet(np.concatenate(rows), columns=8))
    panel.set(title=title, xticks=[])
    panel.set_yticks((np.arange(6) + 0.5) * panel.get_ylim()[0] / 6, ["data", *(rf"$\beta$ = {b:g}" for b in BETAS)])
figure.savefig("103_rate_distortion.png", dpi=100)
print("wrote 103_rate_distortion.png")
