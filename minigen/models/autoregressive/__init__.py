"""Autoregressive models: exact likelihoods, one number after the other. Start at nade.py."""
from .made import MADE as MADE
from .nade import NADE as NADE
from .rnade import RNADE as RNADE
