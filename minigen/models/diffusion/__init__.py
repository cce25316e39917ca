"""Diffusion models. Start at ddpm.py."""
from .ddpm import DDPM as DDPM
