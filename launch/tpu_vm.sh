#!/usr/bin/env bash
# Trains on Cloud TPU VMs, one host or a slice of many: see --help.
set -euo pipefail

usage() {
  cat <<'HELP'
Trains on a Cloud TPU slice: the same command on all its workers, of which JAX makes one run.

  bash launch/tpu_vm.sh <what> --name=<name> --zone=<zone> [flags] [-- flags of main.py]

  create    the TPU VMs, now (needs --accelerator_type; --spot for cheap ones that may be taken away)
  queue     as create, when there is room for them, and waits until they are there
  install   this checkout, Python 3.12 (through uv) and JAX for TPUs, on all workers
  data      copies --data=gs://<bucket>/<folder> to datasets/<folder> on all workers
  start     python main.py --config=... --workdir=gs://... on all workers; it survives the connection
  logs      follows the log of a worker (--worker=<number>, 0)
  stop      ends the run after a checkpoint
  resume    after a preemption: queue, install, data (if --data is given) and start again; the run
            goes on from the last checkpoint in its workdir
  delete    the TPU VMs, and the queued resource if there is one

  --accelerator_type=<type>    v5litepod-16, v6e-8, v5p-8, v4-32, ...
  --runtime_version=<version>  the image of the VMs; the one for the accelerator when left out
  --config=<recipe>            of start and resume: configs/<name>.py[:variant]
  --workdir=gs://<bucket>/...  of start and resume
  --spot                       of create, queue and resume
  --project=<project>          gcloud's own when left out
  --dry_run                    prints the commands and runs none

TPU7x and later have no TPU VMs: see launch/gke_jobset.yaml.
HELP
}

fail() {
  echo "error: $*" >&2
  exit 2
}

main() {
  what="${1:-}"
  case "$what" in
    create | queue | install | data | start | logs | stop | resume | delete) shift ;;
    -h | --help) usage; exit ;;
    *) fail "'$what' is unknown; there are create, queue, install, data, start, logs, stop, resume and \
delete (bash launch/tpu_vm.sh --help)." ;;
  esac
  name='' zone='' accelerator_type='' runtime_version='' config='' workdir='' data='' project=''
  worker=0 spot='' dry_run='' rest=()
  parse "$@"
  [ -n "$name" ] || fail "$what needs --name=<name of the TPU>."
  [ -n "$zone" ] || fail "$what needs --zone=<zone>, such as us-west4-a."
  where=("--zone=$zone" ${project:+"--project=$project"})
  cd "$(dirname "$0")/.."
  "$what"
}

parse() {
  while [ $# -gt 0 ]; do
    case "$1" in
      --name=*) name="${1#*=}" ;;
      --zone=*) zone="${1#*=}" ;;
      --accelerator_type=*) accelerator_type="${1#*=}" ;;
      --runtime_version=*) runtime_version="${1#*=}" ;;
      --config=*) config="${1#*=}" ;;
      --workdir=*) workdir="${1#*=}" ;;
      --data=*) data="${1#*=}" ;;
      --project=*) project="${1#*=}" ;;
      --worker=*) worker="${1#*=}" ;;
      --spot) spot=--spot ;;
      --dry_run) dry_run=yes ;;
      -h | --help) usage; exit ;;
      --) shift; rest=("$@"); return ;;
      *) fail "there is no flag '$1' (flags of main.py stand behind --; see --help)." ;;
    esac
    shift
  done
}

# A word as a shell would have to read it.
quote() {
  case "$1" in
    '' | *[!A-Za-z0-9_./:=@%+,-]*) printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")" ;;
    *) printf '%s' "$1" ;;
  esac
}

quoted() {
  local word separator=''
  for word in "$@"; do
    printf '%s' "$separator"
    quote "$word"
    separator=' '
  done
}

run() {
  if [ -n "$dry_run" ]; then
    quoted "$@"
    echo
  else
    "$@"
  fi
}

tpus() {
  run gcloud compute tpus "$@" "${where[@]}"
}

# On all workers, or on those of $2.
remotely() {
  tpus tpu-vm ssh "$name" "--worker=${2:-all}" "--command=$1"
}

# The image of an accelerator: https://cloud.google.com/tpu/docs/runtimes
check_accelerator() {
  [ -n "$accelerator_type" ] || fail "$what needs --accelerator_type=<type>, such as v5litepod-16."
  [ -z "$runtime_version" ] || return 0
  case "$accelerator_type" in
    v2-* | v3-* | v4-*) runtime_version=tpu-ubuntu2204-base ;;
    v5litepod-*) runtime_version=v2-alpha-tpuv5-lite ;;
    v5p-*) runtime_version=v2-alpha-tpuv5 ;;
    v6e-*) runtime_version=v2-alpha-tpuv6e ;;
    *) fail "--accelerator_type=$accelerator_type is unknown here; there are v2-, v3-, v4-, v5litepod-, \
v5p- and v6e-<cores or chips>; for another, give its --runtime_version too." ;;
  esac
}

create() {
  check_accelerator
  tpus tpu-vm create "$name" "--accelerator-type=$accelerator_type" "--version=$runtime_version" \
    ${spot:+"$spot"}
}

queue() {
  check_accelerator
  tpus queued-resources create "$name" "--node-id=$name" "--accelerator-type=$accelerator_type" \
    "--runtime-version=$runtime_version" ${spot:+"$spot"}
  wait_until_active
}

# SUSPENDED: spot VMs were taken away. FAILED: the request cannot be met, or has run out of time.
wait_until_active() {
  local state
  while true; do
    state="$(state)"
    if [ -n "$dry_run" ]; then
      echo "$state"
      return
    fi
    echo "$(date +%T) $name is ${state:-unknown}"
    case "$state" in
      ACTIVE) return ;;
      FAILED | SUSPENDED | SUSPENDING) fail "$name is $state: resume, or delete and queue it again." ;;
    esac
    sleep 30
  done
}

state() {
  tpus queued-resources describe "$name" '--format=value(state.state)'
}

install() {
  local package='decoupled_gan.tar.gz' folder
  folder="$(mktemp -d)"
  # shellcheck disable=SC2064  # the folder of now
  trap "rm -rf '$folder'" EXIT
  run tar -czf "$folder/$package" README.md configs decoupled_gan launch main.py pyproject.toml setup.py
  tpus tpu-vm scp "$folder/$package" "$name:$package" --worker=all
  remotely "set -e; mkdir -p decoupled_gan; tar -xzf $package -C decoupled_gan; cd decoupled_gan; \
[ -x ~/.local/bin/uv ] || curl -LsSf https://astral.sh/uv/install.sh | sh; \
[ -d .venv ] || ~/.local/bin/uv venv --python 3.12; ~/.local/bin/uv pip install --editable '.[tpu,gcs]'"
}

data() {
  local folder
  case "$data" in
    gs://*) ;;
    *) fail "$what needs --data=gs://<bucket>/<folder>, found '$data'." ;;
  esac
  folder="datasets/$(basename "$data")"
  remotely "cd decoupled_gan && mkdir -p $(quote "$folder") && \
gcloud storage rsync --recursive $(quoted "$data" "$folder")"
}

# shellcheck disable=SC2016  # it is the worker who is to read run.pid
alive='kill -0 "$(cat run.pid 2>/dev/null)" 2>/dev/null'

check_run() {
  [ -n "$config" ] || fail "$what needs --config=configs/<recipe>.py."
  [ -f "${config%%:*}" ] || fail "there is no recipe ${config%%:*}; the recipes are $(echo configs/*.py)."
  case "$workdir" in
    gs://?*) ;;
    *) fail "$what needs --workdir=gs://<bucket>/<folder>, since the VMs' disks go with them; \
found '$workdir'." ;;
  esac
}

start() {
  check_run
  local command
  command="$(quoted .venv/bin/python main.py "--config=$config" "--workdir=$workdir" ${rest[@]+"${rest[@]}"})"
  remotely "cd decoupled_gan || exit; \
if $alive; then echo 'error: it runs already: stop it first.' >&2; exit 2; fi; \
nohup $command >>run.log 2>&1 </dev/null & echo \$! >run.pid"
}

logs() {
  remotely 'tail -n 100 -F decoupled_gan/run.log' "$worker"
}

stop() {
  remotely "cd decoupled_gan || exit; kill \"\$(cat run.pid)\"; while $alive; do sleep 0.2; done"
}

resume() {
  check_accelerator
  check_run
  if [ -n "$dry_run" ]; then
    state
  elif [ "$(state)" = ACTIVE ]; then
    fail "$name is ACTIVE: it was not preempted; start, or stop and start."
  fi
  tpus queued-resources delete "$name" --force --quiet
  queue
  install
  [ -z "$data" ] || data
  start
}

delete() {
  if tpus queued-resources describe "$name" '--format=value(name)' 2>/dev/null; then
    tpus queued-resources delete "$name" --force --quiet
    [ -n "$dry_run" ] || return 0
  fi
  tpus tpu-vm delete "$name" --quiet
}

main "$@"
