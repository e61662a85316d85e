#!/bin/sh
# Arrows between folders point down only: tui -> fetch, sessions, viz, engine, kernels (it chooses the back end); fetch ->
# sessions (its files); sessions -> engine; engine -> kernels; base is below all. Fails and names each include that
# points up or aside.
set -u
cd "$(dirname "$0")/.." || exit 1
status=0
deny() { # FOLDER ALTERNATIVES: no file of FOLDER includes one of these folders
    if grep -rnE "#include \"($2)/" "$1" --include='*.[ch]' --include='*.cu' --include='*.cuh'; then
        echo "$1 must not include that: see the arrows in scripts/check-arrows.sh" >&2
        status=1
    fi
}
deny base 'kernels|engine|viz|sessions|fetch|tui'
deny kernels 'engine|viz|sessions|fetch|tui'
deny engine 'viz|sessions|fetch|tui'
deny viz 'kernels|engine|sessions|fetch|tui'
deny sessions 'viz|fetch|tui'
deny fetch 'kernels|engine|viz|tui'
exit $status
