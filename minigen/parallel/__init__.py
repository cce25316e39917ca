"""Several workers that train one model together, as one would: start at world.py."""
