"""Recipes of models of images and captions."""
from ..data.shapes.pairs import fresh
from ..models.text_to_image import CLIP
from ..optim import adamw, cosine_decay, linear_warmup
from ..train import one_stage
from .registry import CAPTIONED, recipe


@recipe("images and captions as vectors that agree where they belong together", "Radford et al. 2021",
        data="shapes16", accepts=CAPTIONED)
def clip(data, rng):
    model = CLIP(data.spaces["x"], data.spaces["text"], rng=rng)
    # the paper's rate: at 2e-3 all vectors run to one point in the first steps, where the loss is ln 128, and stay
    return one_stage(model, adamw(linear_warmup(cosine_decay(5e-4), 0.05), weight_decay=0.05), steps=4000,
                     batch_size=128,  # the paper's is 32,768
                     view=fresh)  # no pair comes twice: 10,000 are soon known by heart
