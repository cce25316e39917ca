"""What adversarial models share: implicit models, objectives, a discriminator of patches, two-player dynamics. Start at
implicit.py."""
