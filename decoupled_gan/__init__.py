"""decoupled_gan: train GANs whose networks share parts and whose losses must not."""

__version__ = '0.1.0'
