#!/usr/bin/env bash
# Compiles requirements/*.txt anew from pyproject.toml: exact versions with hashes, no registry's address.
set -euo pipefail
cd "$(dirname "$0")/.."
export UV_SYSTEM_CERTS=1

compile() {
    .venv/bin/uv pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-header --no-emit-index-url \
        --no-emit-find-links "$@"
}
compile pyproject.toml -o requirements/runtime.txt "${@}"
compile --extra local --extra dev -c requirements/runtime.txt pyproject.toml -o requirements/dev.txt "${@}"
compile requirements/tools.in -o requirements/tools.txt "${@}"
