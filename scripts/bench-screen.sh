#!/usr/bin/env bash
# What the screen costs a run: pairs of `nfbench train` and the same run on the screen in a terminal (tmux), which of the
# two goes first alternating; images a second of each by the run's own clock, the ratio of every pair, and what the
# screen's thread took.
#   scripts/bench-screen.sh [-r ROUNDS] [-n STEPS] [-g COLUMNSxROWS] [-v VIEW] [-- SETTINGS...]
# Default: 5 rounds of 150 steps, 160x48, the overview (key 1), --preset micro --data synthetic. Needs tmux and a machine
# that does nothing else.
set -eu
cd "$(dirname "$0")/.."
rounds=5 steps=150 size=160x48 view=1
while getopts r:n:g:v: option; do
    case $option in
    r) rounds=$OPTARG ;;
    n) steps=$OPTARG ;;
    g) size=$OPTARG ;;
    v) view=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- --preset micro --data synthetic
. scripts/bench-terminal.sh
common=(--steps "$steps" --sessions-dir "$work/sessions")

# Images a second over the run's training time, from its log: steps are of one size but for the last of an epoch, the
# same in both runs, so steps a second compare as well; the batch is that of the session.
speed() { # SESSION
    awk -v batch="$(sed -nE 's/^batch *= *//p' "$work/sessions/$1/settings.ini")" '
        match($0, /"step":[0-9]+/) { step = substr($0, RSTART + 7, RLENGTH - 7) }
        match($0, /"seconds":[0-9.eE+-]+/) { seconds = substr($0, RSTART + 10, RLENGTH - 10); steps = step }
        END { if (seconds > 0) print batch * steps / seconds; else exit 1 }' "$work/sessions/$1/metrics.jsonl"
}
plain() { # SESSION
    "$binary" train "$@" >"$work/plain.log" 2>&1 || { cat "$work/plain.log" >&2; exit 1; }
}
# Processor time of the program's first thread, which is the screen's, in seconds; and how often it was woken.
thread() { # PID
    awk -v tick="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) / tick }' "/proc/$1/task/$1/stat"
    awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/$1/task/$1/status"
}
screen() { # SETTINGS..., with --session NAME at last
    local pid text name=${!#} began
    terminal new-session -d -x "${size%x*}" -y "${size#*x}" "$(printf '%q ' "$binary" "$@") 2>$work/screen.log"
    pid=$(terminal display-message -p '#{pane_pid}')
    pid=$(pgrep -P "$pid" -f nfbench || echo "$pid")
    began=$EPOCHREALTIME
    terminal send-keys "$view"
    until text=$(terminal capture-pane -p 2>/dev/null) && grep -q 'finished' <<<"$text"; do
        kill -0 "$pid" 2>/dev/null || { cat "$work/screen.log" >&2; exit 1; }
        sleep 0.5
    done
    thread "$pid" | paste -sd ' ' | awk -v a="$began" -v b="$EPOCHREALTIME" \
        '{ printf "%.2f %.0f\n", 100 * $1 / (b - a), $2 / (b - a) }' >>"$work/thread"
    terminal send-keys q
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
    [ -d "$work/sessions/$name" ]
}

printf '%s, %s steps, screen %s, view %s\n' "$*" "$steps" "$size" "$view"
printf '%-6s %10s %10s %8s %16s %10s\n' round train screen ratio "screen's thread" "wakeups/s"
for ((round = 1; round <= rounds; round++)); do
    for who in $([ $((round % 2)) = 1 ] && echo plain screen || echo screen plain); do
        "$who" "$@" "${common[@]}" --session "$who-$round"
    done
    a=$(speed "plain-$round") b=$(speed "screen-$round")
    echo "$a" >>"$work/a" && echo "$b" >>"$work/b"
    awk -v r="$round" -v a="$a" -v b="$b" -v t="$(tail -n 1 "$work/thread")" 'BEGIN {
        split(t, of); printf "%-6d %10.1f %10.1f %8.4f %14.2f %% %10d\n", r, a, b, b / a, of[1], of[2]; print b / a >"/dev/stderr" }' \
        2>>"$work/ratio"
done
awk -v a="$(median <"$work/a")" -v b="$(median <"$work/b")" -v r="$(median <"$work/ratio")" \
    -v c="$(cut -d' ' -f1 "$work/thread" | median)" 'BEGIN {
    printf "%-6s %10.1f %10.1f %8.4f %14.2f %%\n", "median", a, b, r, c
    printf "with the screen open a run makes %.2f %% of the images a second that it makes without\n", 100 * r }'
