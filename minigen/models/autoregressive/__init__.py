"""Autoregressive models: exact likelihoods, one number after the other. Start at nade.py."""
from .transformer import ImageTransformer as ImageTransformer
