"""Diffusion models. Start at ddpm.py."""
from .ddpm import DDPM as DDPM
from .ncsn import NCSN as NCSN
from .score_sde import ScoreSDE as ScoreSDE
