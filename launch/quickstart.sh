#!/usr/bin/env bash
# The first try, on a laptop's CPU: sets up a virtual environment, trains NICE-GAN on real maps of
# the Earth (configs/quickstart.py) and scores it against ground truth. Arguments go to training.
#   bash launch/quickstart.sh
#   bash launch/quickstart.sh --config.seed=1 --workdir=runs/quickstart-1
set -euo pipefail
source "$(dirname "$0")/environment.sh"
help_if_asked "$@"
cd "$(dirname "$0")/.."
environment ''
workdir=runs/quickstart
for argument in "$@"; do
  case "$argument" in --workdir=*) workdir="${argument#*=}" ;; esac
done
"$VENV/bin/python" main.py --config=configs/quickstart.py "$@"
"$VENV/bin/python" main.py --mode=evaluate --workdir="$workdir"
echo "Look at the newest grid in $workdir/samples: input, attention, translation, ..., truth."
