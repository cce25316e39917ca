"""What autoencoders share whose codes are to follow a distribution that was chosen. Start at priors.py, matched.py."""
