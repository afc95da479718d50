#!/usr/bin/env bash
# Trains with N processes on this machine, as N hosts would: to try out a run of several hosts.
#   bash launch/local_processes.sh 2 --config=configs/quickstart.py --workdir=runs/two
# Each line is prefixed by its process's number. Ctrl-C and SIGTERM are passed on to all processes,
# which save and exit. When one fails, the others have GRACE seconds to say what they think of it and
# are then killed, and this script exits with 1.
#   DEVICES   how many devices each process is to have on the CPU (default: 1)
#   GRACE     seconds (default: 10)
#   PYTHON    the interpreter (default: .venv/bin/python where there is one, or python3)
set -euo pipefail
source "$(dirname "$0")/environment.sh"
help_if_asked "$@"
if ! [[ "${1:-}" =~ ^[1-9][0-9]*$ ]]; then
  echo 'usage: bash launch/local_processes.sh <number of processes> [arguments of main.py]' >&2
  exit 2
fi
count="$1"
shift
home="$(cd "$(dirname "$0")/.." && pwd)"
python="${PYTHON:-$home/.venv/bin/python}"
[ -n "${PYTHON:-}" ] || [ -x "$python" ] || python=python3
export XLA_FLAGS="${XLA_FLAGS:-} --xla_force_host_platform_device_count=${DEVICES:-1}"
export PYTHONUNBUFFERED=1
port="$("$python" -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')"

running=()
tell() { # a signal, to all that are still there
  [ "${#running[@]}" -eq 0 ] || kill -s "$1" "${running[@]}" 2>/dev/null || true
}
prefixed() {
  while IFS= read -r line || [ -n "$line" ]; do printf '[%s] %s\n' "$1" "$line"; done
}
trap 'tell TERM' TERM
trap 'tell INT' INT
trap 'tell KILL' EXIT

set -m # each process in a group of its own: Ctrl-C then reaches it once, from here
for ((i = 0; i < count; i++)); do
  "$python" "$home/main.py" "$@" \
    --coordinator="localhost:$port" --process_id="$i" --num_processes="$count" \
    > >(prefixed "$i") 2> >(prefixed "$i" >&2) &
  running+=("$!")
done
set +m

failed=''
while [ "${#running[@]}" -gt 0 ]; do
  left=()
  for process in "${running[@]}"; do
    if kill -0 "$process" 2>/dev/null; then
      left+=("$process")
      continue
    fi
    code=0
    wait "$process" || code=$?
    if [ "$code" -ne 0 ] && [ -z "$failed" ]; then
      failed="$SECONDS"
      echo "error: a process ended with exit code $code; the others follow." >&2
    fi
  done
  running=(${left[@]+"${left[@]}"})
  [ -z "$failed" ] || [ "$((SECONDS - failed))" -lt "${GRACE:-10}" ] || tell KILL
  sleep 0.2
done
[ -z "$failed" ]
