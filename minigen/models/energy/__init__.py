"""Energy-based models. Read ebm.py."""
from .ebm import EBM as EBM
from .ebm import MLPEnergy as MLPEnergy
