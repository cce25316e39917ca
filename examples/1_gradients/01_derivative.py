"""One expression, differentiated by hand and by the engine, and the graph that the engine recorded.

    y = log(x1) + x1 x2 - sin(x2)    at x1 = 2, x2 = 5

the example of Baydin et al., "Automatic differentiation in machine learning", 2018. By hand the reverse sweep
goes from y back to x1 and x2; every line is the chain rule on one edge of the graph. Writes
01_derivative.png.
Course: 12.1.
"""
import math

from autograd import grad, log, parameter, sin
from minigen import plot

X1, X2 = 2.0, 5.0

# Forward, by hand
v1 = math.log(X1)
v2 = X1 * X2
v3 = math.sin(X2)
v4 = v1 + v2
y = v4 - v3

# Backward, by hand: dy_dv for every intermediate v, from the last to the first
dy_dv4, dy_dv3 = 1.0, -1.0
dy_dv1, dy_dv2 = dy_dv4, dy_dv4
dy_dx1 = dy_dv1 / X1 + dy_dv2 * X2
dy_dx2 = dy_dv2 * X1 + dy_dv3 * math.cos(X2)

# The engine records the operations as they are computed ...
x1, x2 = parameter(X1), parameter(X2)
w1, w2, w3 = log(x1), x1 * x2, sin(x2)
w4 = w1 + w2
z = w4 - w3

# ... and its sweep does the same steps backward. create_graph=True keeps the graph, to draw it.
values = {"x1": x1, "x2": x2, "v1": w1, "v2": w2, "v3": w3, "v4": w4, "y": z}
gradients = grad(z, list(values.values()), create_graph=True)
texts = {v: f"{name} = {v.item():.4g}\ndy/d{name} = {g.item():.4g}"
         for (name, v), g in zip(values.items(), gradients)}
plot.graph(z, "01_derivative.png", texts)

print(f"y       by hand {y:.6f}   engine {z.item():.6f}")
print(f"dy/dx1  by hand {dy_dx1:.6f}   engine {gradients[0].item():.6f}")
print(f"dy/dx2  by hand {dy_dx2:.6f}   engine {gradients[1].item():.6f}")
print("wrote 01_derivative.png")
