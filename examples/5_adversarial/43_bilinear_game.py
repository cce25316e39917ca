"""The smallest game that gradient descent does not solve: x minimizes x y, y maximizes it.

At every point each player's best direction is at a right angle to the way to the equilibrium, 0. Together they go
round it: outwards if both move at once, for ever if they take turns, as the players of a GAN do. To look ahead cures
it: extragradient steps with the gradient that will be there after the step, optimism guesses that gradient from
the last two. And the mean of the way of those who take turns is at the equilibrium. Writes 43_bilinear_game.png.
Course: 7.3.
"""
import matplotlib.pyplot as plt
import numpy as np

from minigen.adversarial.dynamics import RULES, alternating, play

STEPS = 300
ETA = 0.1

figure, panels = plt.subplots(1, 5, figsize=(20, 4.2), layout="constrained", width_ratios=[1, 1, 1, 1, 1.4])
*planes, right = panels
at = np.linspace(-2, 2, 13)
x, y = np.meshgrid(at, at)
for axes, (name, rule) in zip(planes, RULES.items()):
    path = play(rule, lambda x, y: x * y, [1.0, 0.0], ETA, STEPS)
    length = np.linalg.norm(path, axis=1)
    rate = (length[-1] / length[0]) ** (1 / STEPS)
    print(f"{name:13} |w| after {STEPS} steps: {length[-1]:8.4f}, times {rate:.5f} in a step")
    axes.quiver(x, y, -y, x, color="0.8")  # where both would go: x down its gradient, y up
    axes.plot(*path.T, linewidth=1)
    axes.plot(*path[0], "ko", label="start")
    axes.plot(*path[-1], "C3o", label="end")
    if rule is alternating:
        mean = path.mean(axis=0)
        axes.plot(*mean, "C1*", markersize=12, label="mean of the way")
        print(f"{'its mean':13} |w| {np.linalg.norm(mean):.4f}")
        averaged = np.linalg.norm(path.cumsum(axis=0) / np.arange(1, STEPS + 2)[:, None], axis=1)
        right.semilogy(averaged, "C1", alpha=0.5, label="alternating, mean of the way")
    axes.set(title=name, xlabel="x", ylabel="y", xlim=(-2.3, 2.3), ylim=(-2.3, 2.3), aspect="equal")
    axes.legend(frameon=False, loc="upper left")
    right.semilogy(length, "--" if name == "optimistic" else "-", label=name)
right.set(title="distance to the equilibrium", xlabel="step")
right.legend(loc="lower left", fontsize=9)
figure.savefig("43_bilinear_game.png", dpi=100)
print("wrote 43_bilinear_game.png")
