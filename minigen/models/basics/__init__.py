"""Models that are fitted by counting. Start at independent_pixels.py."""
from .independent_pixels import IndependentPixels as IndependentPixels
from .markov_chain import MarkovChain as MarkovChain
