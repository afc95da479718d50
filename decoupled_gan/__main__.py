"""`python -m decoupled_gan ...`: as `decoupled-gan ...`."""

from decoupled_gan.cli import run

if __name__ == '__main__':
  run()
