#!/usr/bin/env bash
# Builds the site of docs/ and README.md into site/; a link that leads nowhere fails.
#   bash launch/docs.sh            build
#   bash launch/docs.sh serve      look at it while writing: http://127.0.0.1:8000
set -euo pipefail
source "$(dirname "$0")/environment.sh"
help_if_asked "$@"
cd "$(dirname "$0")/.."
what="${1:-build}"
case "$what" in
  build | serve) ;;
  *) echo "error: '$what' is unknown; there are build and serve." >&2; exit 2 ;;
esac
environment docs
if command -v npm > /dev/null && [ ! -d docs/demo/ort ]; then
  bash launch/web_runtime.sh docs/demo/ort  # the page there runs in the site then
fi
NO_MKDOCS_2_WARNING=1 exec "$VENV/bin/python" -m mkdocs "$what" --strict
