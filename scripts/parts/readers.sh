# Programs that read what the driver writes: Python's libraries for YAML and dotenv, in the project's virtual environment.
# shellcheck shell=bash

READERS_WANTED=('PyYAML>=6,<7' 'python-dotenv>=1,<2')

ensure_readers() {
  if "$DEV/venv/bin/python" -c 'import yaml, dotenv' >/dev/null 2>&1; then
    say "readers: yaml and dotenv are there"
    return
  fi
  [ -x "$DEV/venv/bin/pip" ] || python3 -m venv --clear "$DEV/venv"
  "$DEV/venv/bin/pip" install -q --disable-pip-version-check "${READERS_WANTED[@]}" >"$DEV/pip.log" 2>&1 9>&- ||
    die "pip could not install ${READERS_WANTED[*]}: $(tail -n2 "$DEV/pip.log")"
  say "readers: installed yaml and dotenv in .dev/venv"
}
