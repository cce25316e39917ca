"""Normalizing flows: invertible layers, likelihoods by change of variables, dequantization. Start at layers.py."""
