#!/usr/bin/env bash
# Makes .venv with everything in requirements/dev.txt; does nothing when that was done already.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }

# the first Python of 3.11 or later
find_python() {
    local name
    for name in python3.11 python3.12 python3.13 python3 python; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    say "needs Python 3.11 or later on PATH (tried python3.11, python3.12, python3.13, python3, python)"
    return 1
}

wanted=$(cat requirements/dev.txt requirements/tools.txt scripts/setup.sh | cksum)
stamp=.venv/requirements.cksum
if [ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

python=$(find_python)
if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    say "making .venv with $python"
    rm -rf .venv
    if ! "$python" -m venv .venv; then
        say "this Python cannot make virtual environments; on Debian: apt-get install python3-venv"
        exit 1
    fi
fi

say "installing $(grep -c '^[a-zA-Z0-9]' requirements/dev.txt) pinned packages (1 GB on disk; a minute or so the first time)"
started=$SECONDS
# uv takes 13 s where pip takes 70; it is to trust what the machine trusts; pip is the way out where it does not run
export UV_SYSTEM_CERTS=1
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tools.txt || true
if ! .venv/bin/uv pip sync --compile-bytecode --python .venv/bin/python --require-hashes requirements/dev.txt; then
    say "uv could not install them; trying pip, which takes longer"
    .venv/bin/python -m pip install --disable-pip-version-check --require-hashes -r requirements/dev.txt
fi
printf '%s\n' "$wanted" >"$stamp"
say "done in $((SECONDS - started)) s"
