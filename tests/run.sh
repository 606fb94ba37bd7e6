#!/usr/bin/env bash
# The whole suite, two processes wide, with coverage of the core. Usage: tests/run.sh BIN [pytest arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$1
shift

export GATEWAY_ANTHROPIC_NEW="$PWD/.venvs/anthropic-new/bin/python"
export GATEWAY_ANTHROPIC_OLD="$PWD/.venvs/anthropic-old/bin/python"
rm -f .coverage .coverage.*
"$bin/pytest" -q -n 2 --dist loadgroup --cov --cov-report= "$@"
"$bin/coverage" report --skip-covered --show-missing --fail-under=95
