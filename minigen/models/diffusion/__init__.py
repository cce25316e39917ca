"""Diffusion models. Start at ddpm.py."""
from .classifier_free import ClassifierFree as ClassifierFree
from .classifier_guided import ClassifierGuided as ClassifierGuided
from .ddpm import DDPM as DDPM
from .flow_matching import FlowMatching as FlowMatching
from .improved_ddpm import ImprovedDDPM as ImprovedDDPM
from .latent_diffusion import LatentDiffusion as LatentDiffusion
from .ncsn import NCSN as NCSN
from .score_sde import ScoreSDE as ScoreSDE
