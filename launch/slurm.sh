#!/usr/bin/env bash
#SBATCH --job-name=decoupled_gan
#SBATCH --nodes=1
#SBATCH --gpus-per-node=1
#SBATCH --ntasks-per-node=1
#SBATCH --output=slurm-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
# Trains on the GPUs of a SLURM cluster: see --help. sbatch's own options go before the script's name and
# take the place of those above.
set -euo pipefail

usage() {
  cat <<'HELP'
Trains on one or many GPU nodes of a SLURM cluster, a process for each GPU:

  sbatch [options of sbatch] launch/slurm.sh --config=configs/<recipe>.py --workdir=<folder> [flags of main.py]
  sbatch --nodes=2 --gpus-per-node=8 --ntasks-per-node=8 --cpus-per-task=8 --time=24:00:00 \
    launch/slurm.sh --config=configs/selfie2anime.py --workdir=/shared/runs/selfie2anime

--ntasks-per-node must be --gpus-per-node: JAX gives each task the GPU of its number. The workdir must
be seen by all nodes (a shared folder, or gs://). Two minutes before the time is up the run saves a
checkpoint and the job queues again; so it does when it is preempted.

  --dry_run    prints the command that would run on every node, and runs nothing
  PYTHON       the environment variable that names the interpreter; .venv/bin/python when not set
HELP
}

fail() {
  echo "error: $*" >&2
  exit 2
}

config='' workdir='' dry_run='' flags=()
for argument in "$@"; do
  case "$argument" in
    -h | --help) usage; exit ;;
    --dry_run) dry_run=yes; continue ;;
    --config=*) config="${argument#*=}" ;;
    --workdir=*) workdir="${argument#*=}" ;;
    --*) ;;
    *) fail "there is no flag '$argument'; options of sbatch stand before launch/slurm.sh (see --help)." ;;
  esac
  flags+=("$argument")
done

# sbatch runs a copy of this file from a folder of its own.
cd "${SLURM_SUBMIT_DIR:-$(dirname "$0")/..}"
[ -f main.py ] || fail "there is no main.py in $PWD: call sbatch from the top of the checkout."
[ -n "$config" ] || fail 'needs --config=configs/<recipe>.py.'
[ -f "${config%%:*}" ] || fail "there is no recipe ${config%%:*}; the recipes are $(echo configs/*.py)."
[ -n "$workdir" ] || fail 'needs --workdir=<folder that all nodes see>.'
gpus="${SLURM_GPUS_PER_NODE:-1}" # 4, or a100:4
tasks="${SLURM_NTASKS_PER_NODE:-1}"
[ "${gpus##*:}" = "$tasks" ] || fail "--gpus-per-node=$gpus and --ntasks-per-node=$tasks must be the same \
number: JAX wants a process for each GPU."

# Not --gpus-per-task: each task must see all GPUs of its node, and takes the one of its number.
command=(srun --kill-on-bad-exit=1 "${PYTHON:-.venv/bin/python}" main.py "${flags[@]}")
if [ -n "$dry_run" ]; then
  printf '%q ' "${command[@]}"
  echo
  exit
fi

# SLURM tells this shell that the time is nearly up; scancel passes it on to the tasks, which save. (srun
# would take the signal as the order to kill them.)
"${command[@]}" &
step=$! stopped='' code=0
trap 'stopped=yes; scancel --signal=TERM "$SLURM_JOB_ID"' TERM
wait "$step" || code=$?
if [ -n "$stopped" ]; then # what ended was the waiting
  code=0
  wait "$step" || code=$?
fi

# SLURM tells the tasks alone of a preemption. Having saved, they are done; the job is not.
preempted() { [[ "$(scontrol show job "$SLURM_JOB_ID")" =~ PreemptTime=[0-9] ]]; }
if [ -n "$stopped" ] || preempted; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
