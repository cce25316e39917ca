"""Autoregressive models: exact likelihoods, one number after the other. Start at nade.py."""
