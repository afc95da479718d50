#!/usr/bin/env bash
# Sets up a virtual environment and runs the linter and the tests.
#   bash launch/test.sh                      the default suite
#   bash launch/test.sh -m slow              the long ones; any other arguments go to pytest as well
#   PYTHON=python3.12 bash launch/test.sh    with another Python
set -euo pipefail
source "$(dirname "$0")/environment.sh"
help_if_asked "$@"
cd "$(dirname "$0")/.."
environment dev
"$VENV/bin/python" -m ruff check .
JAX_PLATFORMS="${JAX_PLATFORMS:-cpu}" exec "$VENV/bin/python" -m pytest -n 2 --dist worksteal --durations=10 "$@"
