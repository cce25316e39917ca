"""Recipes of autoregressive models: exact likelihoods, one number after the other."""
