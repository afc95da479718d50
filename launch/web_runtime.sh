#!/usr/bin/env bash
# Fetches the runtime of exported pages, onnxruntime-web, into a folder (default: ort):
#   bash launch/web_runtime.sh
#   decoupled-gan export --workdir=runs/photos --format=web --output=site/ --ort=ort
# Needs npm. The version is pinned, and what comes is compared with its known SHA-256.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
help_if_asked "$@"
version=1.30.0
sum=d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71
folder="${1:-ort}"
if [ $# -gt 1 ]; then
  echo "error: there is one argument, the folder; see --help." >&2
  exit 2
fi
if ! command -v npm > /dev/null; then
  echo 'error: npm is not installed; it comes with Node.js (apt-get install npm).' >&2
  exit 2
fi
temporary="$(mktemp -d)"
trap 'rm -rf "$temporary"' EXIT
package="$temporary/$(cd "$temporary" && npm pack --silent "onnxruntime-web@$version" | tail -n 1)"
if ! echo "$sum  $package" | sha256sum --check --status; then
  echo "error: onnxruntime-web $version is not the file that it was; nothing was kept." >&2
  exit 1
fi
tar -xzf "$package" -C "$temporary"
mkdir -p "$folder"
for name in ort.wasm.min.mjs ort-wasm-simd-threaded.mjs ort-wasm-simd-threaded.wasm; do
  cp "$temporary/package/dist/$name" "$folder/$name"
done
echo "onnxruntime-web $version: $folder"
