"""Normalizing flows: exact likelihoods by change of variables. Read planar.py, realnvp.py, glow.py in turn."""
from .glow import Glow as Glow
from .planar import Planar as Planar
from .planar import PlanarOnEnergy as PlanarOnEnergy
from .realnvp import RealNVP as RealNVP
