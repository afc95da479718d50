"""The one door: `python main.py --config=configs/quickstart.py`. See `decoupled_gan/cli.py`."""

from decoupled_gan.cli import run

if __name__ == '__main__':
  run()
