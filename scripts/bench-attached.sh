#!/usr/bin/env bash
# What a screen costs the run that it shows, within one run: a screen is attached to `nfbench train` (in tmux) and
# detached again, in windows of equal length, by turns screen first and screen last; the steps a second of each window
# by the run's own records, the ratio of every pair, and their median. Pairs within a run know nothing of how two
# processes differ, which is more than the screen costs.
#   scripts/bench-attached.sh [-r PAIRS] [-s SECONDS] [-g COLUMNSxROWS] [-v VIEW] [-- SETTINGS...]
# Default: 15 pairs of 6 s, 160x48, the overview (key 1), --preset micro --data synthetic. Needs tmux and a machine that
# does nothing else.
set -eu
cd "$(dirname "$0")/.."
pairs=15 seconds=6 size=160x48 view=1
while getopts r:s:g:v: option; do
    case $option in
    r) pairs=$OPTARG ;;
    s) seconds=$OPTARG ;;
    g) size=$OPTARG ;;
    v) view=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- --preset micro --data synthetic
. scripts/bench-terminal.sh

"$binary" train "$@" --epochs 100000 --log-every 1 --sessions-dir "$work" --session run >"$work/log" 2>&1 &
run=$!
trap 'kill "$run" 2>/dev/null && wait "$run" 2>/dev/null; clean_up' EXIT
# The newest step and the training time at its end.
newest() {
    tail -n 5 "$work/run/metrics.jsonl" |
        sed -nE 's/^\{"kind":"step","step":([0-9]+),.*"seconds":([0-9.e+-]+).*/\1 \2/p' | tail -n 1
}
until [ "$(newest 2>/dev/null | cut -d ' ' -f 1)" -ge 20 ] 2>/dev/null; do
    kill -0 "$run" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.2
done

# Steps a second of one window, from the end of a step to the end of a step: whole steps over the window's length would
# be wrong by one in the number of its steps.
window() {
    local first
    first=$(newest)
    sleep "$seconds"
    echo "$first $(newest)" | awk '{ printf "%.4f\n", ($3 - $1) / ($4 - $2) }'
}
shown() {
    terminal new-session -d -x "${size%x*}" -y "${size#*x}" "$(printf '%q ' "$binary" attach run --sessions-dir "$work")"
    until terminal capture-pane -p | grep -q 'training'; do sleep 0.1; done
    terminal send-keys "$view"
    sleep 1
    window
    terminal send-keys q
    while terminal has-session 2>/dev/null; do sleep 0.1; done
    sleep 0.5
}

printf '%s, pairs of %s s, screen %s, view %s\n' "$*" "$seconds" "$size" "$view"
printf '%-6s %12s %12s %8s\n' pair "steps/s alone" "on a screen" ratio
for ((pair = 1; pair <= pairs; pair++)); do
    if [ $((pair % 2)) = 1 ]; then a=$(window) b=$(shown); else b=$(shown) a=$(window); fi
    awk -v p="$pair" -v a="$a" -v b="$b" 'BEGIN { printf "%-6d %12.2f %12.2f %8.4f\n", p, a, b, b / a }' | tee -a "$work/pairs"
done
awk '{ print $4 }' "$work/pairs" | sort -g | awk -v m="$(awk '{ print $4 }' "$work/pairs" | median)" '{ v[NR] = $1 } END {
    printf "with a screen the run makes %.2f %% of the steps that it makes without (median; quartiles %.2f and %.2f %%)\n", \
        100 * m, 100 * v[int((NR + 3) / 4)], 100 * v[int((3 * NR + 3) / 4)] }'
