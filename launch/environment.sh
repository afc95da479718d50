# shellcheck shell=bash
# Sourced by the other scripts: a virtual environment with the package in it, made once.
#   PYTHON   the interpreter to make it with (default: python3, or another of 3.11 or newer)
#   VENV     where it goes (default: .venv, or .venv-<PYTHON> when PYTHON is given)
# Call `environment <extras>`; afterwards $VENV/bin/python has everything.

# Call `help_if_asked "$@"`: prints the comment that the script begins with, and exits.
help_if_asked() {
  case " $* " in
    *' --help '* | *' -h '*) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;;
  esac
}

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
    if [ -n "$candidate" ] && "$candidate" -c \
      'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
    if [ -n "${PYTHON:-}" ]; then
      echo "error: PYTHON=$PYTHON is not a Python of 3.11 or newer." >&2
      return 1
    fi
  done
  echo 'error: no Python of 3.11 or newer was found; name one: PYTHON=/path/to/python bash ...' >&2
  return 1
}

environment() {
  local extras="$1" python stamp
  python="$(find_python)"
  VENV="${VENV:-.venv${PYTHON:+-$(basename "$PYTHON")}}"
  stamp="$VENV/.installed-$(cat setup.py launch/environment.sh | cksum | cut -d' ' -f1)-$extras"
  if [ ! -f "$stamp" ]; then
    echo "setting up $VENV with $("$python" --version) ..."
    "$python" -m venv "$VENV"
    "$VENV/bin/python" -m pip install --quiet --upgrade pip
    "$VENV/bin/python" -m pip install --quiet --editable ".${extras:+[$extras]}"
    touch "$stamp"
  fi
}
