"""Classifier guidance: a diffusion model that was told no class is led to one, by a classifier of noisy images.

    grad log p(x_t | y) = grad log p(x_t) + grad log p(y | x_t)                                  Bayes' rule on scores
    mu + s Sigma grad log p(y | x_t)                                                             algorithm 1
    eps - s sqrt(1 - alpha_bar_t) grad log p(y | x_t)                                            algorithm 2

Nothing is trained here: both networks are parts, trained by recipes of their own, neither knowing of the other. s = 1
is Bayes' rule; the paper's best scales are larger, as p(y | x)^s is sharper: more like the class, and less various.

Algorithm 2 is by_classifier of diffusion/guidance.py, on the denoiser's x_0: a sampler that takes its mean from x_0
gets Sigma's factor, algorithm 1, by itself.

Source: Dhariwal & Nichol 2021, "Diffusion models beat GANs on image synthesis", section 4. Symbols: N images, y class;
its s, a scale, is w here, since s is a level's noise. Read before this: ddpm.py, classifiers/noisy.py.
Course: 9.9.
"""
import numpy as np

from ...diffusion import Guided, ancestral_tilde, by_classifier, clipped


class ClassifierGuided(Guided):
    """diffusion: a Frozen DDPM, or what else has its schedule, space and denoise. classifier: a Frozen NoisyClassifier
    of the same images and schedule. w, sampler, steps: how `sample` draws."""

    judged = 1000  # samples for the judges

    def __init__(self, diffusion, classifier, w=3.0, sampler=ancestral_tilde, steps=50):
        if diffusion.space.shape != classifier.space.shape or diffusion.schedule.T != classifier.schedule.T or not (
                np.allclose(diffusion.schedule.beta, classifier.schedule.beta)):
            raise ValueError(f"ClassifierGuided: the diffusion is of images {diffusion.space.shape} in "
                             f"{diffusion.schedule}, the classifier of {classifier.space.shape} in "
                             f"{classifier.schedule}; train both on the same")
        self.diffusion, self.classifier = diffusion, classifier
        self.space, self.labels = diffusion.space, classifier.labels
        self.w, self.sampler, self.levels = w, sampler, diffusion.schedule.levels(steps)

    def guided(self, y, w):
        """The denoiser that is led to classes y (N,), kept within [-1, 1]."""
        return clipped(by_classifier(self.diffusion.denoise, self.classifier.log_class(y), w))

    def measure(self, batch, rng):
        """The parts' own: the bound of the diffusion, the accuracies of the classifier."""
        return [*self.diffusion.measure(batch, rng), *self.classifier.measure(batch, rng)]
