# Sourced by demo and test: make .venv once, and again when what it holds has changed.
# Usage: prepare [extra]   with extra = dev for the tools of scripts/test.

prepare() {
  local extra=${1:-} python=${PYTHON:-python3} wanted stamp
  wanted=$(cat pyproject.toml constraints.txt | cksum)
  for stamp in .venv/installed-dev ".venv/installed-${extra:-base}"; do
    [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
  done
  if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "videxplain needs Python 3.11 or newer: install it, or name it with PYTHON=<path>" >&2
    return 1
  fi
  echo "Setting up .venv (once; PyTorch is some GB with its CUDA parts) ..."
  [ -x .venv/bin/pip ] || "$python" -m venv --clear .venv
  .venv/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".${extra:+[$extra]}"
  echo "$wanted" > ".venv/installed-${extra:-base}"
}
