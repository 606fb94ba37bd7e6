#!/usr/bin/env bash
# What `make run` does: deploy/run.sh BIN PORT serves deploy/config.yaml with the programs in BIN. Without
# ANTHROPIC_API_KEY the answers come from a simulator on this machine. HOST_ADDRESS is where it listens, if not on
# 127.0.0.1.
set -euo pipefail

bin=$1
port=$2
config=$(dirname "${BASH_SOURCE[0]}")/config.yaml

if [[ -z ${GATEWAY_MASTER_KEY:-} ]]; then
    GATEWAY_MASTER_KEY=sk-$("$bin/python" -c 'import secrets; print(secrets.token_urlsafe(32))')
    export GATEWAY_MASTER_KEY
    echo "A master key was made for this run. To use it in another terminal:"
    echo
    echo "  export GATEWAY_MASTER_KEY=$GATEWAY_MASTER_KEY"
    echo
fi

# By the environment and not by --config, because `gateway simulate` would take that word for its own.
serve=("GATEWAY_CONFIG=$config" "$bin/gateway" serve --host "${HOST_ADDRESS:-127.0.0.1}" --port "$port")

if [[ -n ${ANTHROPIC_API_KEY:-} ]]; then
    exec env "${serve[@]}"
fi

echo "ANTHROPIC_API_KEY is not set: answers are simulated on this machine and cost nothing."
echo
unset GATEWAY_CONFIG
exec "$bin/gateway" simulate -- env "${serve[@]}"
