"""A gradient is made of recorded operations too, so it has a gradient: the bell curve, differentiated three
times.

    f = exp(-x^2 / 2),   f' = -x f,   f'' = (x^2 - 1) f,   f''' = (3 x - x^3) f

create_graph=True asks the sweep to leave a graph of its own behind. Writes 02_second_derivatives.png.
Course: 12.1.
"""
import matplotlib.pyplot as plt
import numpy as np

from autograd import exp, grad, parameter

ORDER = 3
x = parameter(np.linspace(-4, 4, 161))

# Every f(x_i) depends on x_i alone, so the gradient of their sum holds f'(x_i) at place i.
f = exp(-(x**2) / 2)
derivatives = [f]
for _ in range(ORDER):
    derivatives.append(grad(derivatives[-1].sum(), x, create_graph=True))

t = x.numpy()
by_hand = [np.exp(-(t**2) / 2) * factor for factor in (1, -t, t**2 - 1, 3 * t - t**3)]
names = ["f", "f'", "f''", "f'''"]
for name, engine, hand in zip(names, derivatives, by_hand):
    print(f"{name:5} largest difference between engine and hand: {np.abs(engine.numpy() - hand).max():.1e}")

figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
for i, (name, engine, hand) in enumerate(zip(names, derivatives, by_hand)):
    axes.plot(t, engine.numpy(), color=f"C{i}", label=f"{name} by the engine")
    axes.plot(t[::8], hand[::8], "o", color=f"C{i}", markersize=4, label=f"{name} by hand")
axes.set_xlabel("x")
axes.grid(alpha=0.25)
axes.legend(ncols=2, frameon=False, fontsize=8)
figure.savefig("02_second_derivatives.png", dpi=120)
print("wrote 02_second_derivatives.png")
