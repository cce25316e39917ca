"""Diffusion: noise schedules, what networks predict, samplers, and the variational bound. Start at schedule.py."""
from .bound import bits_per_dim as bits_per_dim
from .bound import decoder_term as decoder_term
from .bound import log_discretized_normal as log_discretized_normal
from .bound import prior_term as prior_term
from .bound import step_term as step_term
from .predict import PREDICTIONS as PREDICTIONS
from .predict import clipped as clipped
from .predict import convert as convert
from .predict import denoiser as denoiser
from .predict import recorded as recorded
from .predict import training_target as training_target
from .samplers import ancestral as ancestral
from .samplers import ancestral_tilde as ancestral_tilde
from .samplers import ddim as ddim
from .schedule import Schedule as Schedule
from .schedule import cosine as cosine
from .schedule import linear as linear
