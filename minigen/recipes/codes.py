"""Recipes of models with discrete codes, and of the priors over these codes."""
