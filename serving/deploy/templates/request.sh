#!/usr/bin/env bash
# Asks a server over REST, with rows of the export: ./request.sh [predict|...|all]
#   ADDRESS=http://127.0.0.1:8501  where the server listens
set -o errexit -o nounset -o pipefail
address="$${ADDRESS:-http://127.0.0.1:8501}"
model="$$address/v1/models/"$name_shell

ask() { curl --silent --show-error --fail-with-body --max-time 30 "$$@"; echo; }
post() { ask --header 'Content-Type: application/json' --data-binary @- "$$model:$$1"; }

status() { ask "$$model"; }

metadata() { ask "$$model/metadata"; }
$functions
all() {
  for question in $questions; do
    echo "== $$question"
    "$$question"
  done
}

case "$${1:-all}" in
  all | $choices) "$${1:-all}" ;;
  *)
    echo "error: give one of: $questions, all" >&2
    exit 2
    ;;
esac
