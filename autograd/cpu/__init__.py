"""How arrays are convolved on a CPU, and how its cores share the work. Start at convolution.py."""
