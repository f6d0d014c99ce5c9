# shellcheck shell=bash
# Sourced by the other scripts: a Python that is new enough, and a virtual environment that is made once.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

fail() {
  printf '%s: %s\n' "$(basename "$0")" "$1" >&2
  exit 1
}

# Prints the first Python that can be used; else says on stderr what is missing.
find_python() {
  local candidate old="" bare="" candidates=(python3.13 python3.12 python3.11 python3.14 python3)
  if [[ -n ${PYTHON:-} ]]; then candidates=("$PYTHON"); fi
  for candidate in "${candidates[@]}"; do
    "$candidate" -c '' 2>/dev/null || continue
    if ! "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      old=$candidate
    elif ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
      bare=$candidate
    else
      command -v "$candidate"
      return
    fi
  done
  if [[ -n $bare ]]; then
    echo "$bare cannot make virtual environments. On Debian: apt-get install python3-venv" >&2
  elif [[ -n $old ]]; then
    echo "Python 3.11 or newer is needed, $old is $("$old" -V 2>&1). Set PYTHON=/path/to/python" >&2
  else
    echo "Python 3.11 or newer is needed; tried ${candidates[*]}. On Debian: apt-get install python3 python3-venv" >&2
  fi
  return 1
}

# The requirement lines of the dev group, or those of the named packages. Older pips cannot read groups.
dev_requirements() {
  "$1" - "$root/pyproject.toml" "${@:2}" <<'PYTHON'
import re, sys, tomllib

with open(sys.argv[1], "rb") as file:
    group = tomllib.load(file)["dependency-groups"]["dev"]
for line in group:
    if not sys.argv[2:] or re.match(r"[\w.-]+", line)[0] in sys.argv[2:]:
        print(line)
PYTHON
}

# make_environment DIR [PACKAGE…]: the package, editable, and the dev packages (all where none is named).
# Nothing is done, and no network is needed, while pyproject.toml is what it was. Sets $venv to the full path.
make_environment() {
  local python stamp requirements
  venv=$(realpath -m "$1")
  shift
  command -v git >/dev/null || fail "git is needed. On Debian: apt-get install git"
  stamp="$root $* $(cksum <"$root/pyproject.toml")"
  if [[ -f $venv/made-from && $(<"$venv/made-from") == "$stamp" ]] && "$venv/bin/python" -c '' 2>/dev/null; then
    return
  fi
  if [[ -e $venv && ! -f $venv/pyvenv.cfg ]]; then
    fail "$venv exists and is not a virtual environment; move it away or name another folder"
  fi
  python=$(find_python) || exit 1
  echo "making $venv with $("$python" -V) …" >&2
  "$python" -m venv --clear "$venv"
  requirements=$(dev_requirements "$venv/bin/python" "$@")
  mapfile -t requirements <<<"$requirements"
  "$venv/bin/python" -m pip install -qq --disable-pip-version-check --editable "$root" "${requirements[@]}" ||
    fail "the packages could not be installed (this step needs a network once)"
  echo "$stamp" >"$venv/made-from"
}
