#!/usr/bin/env bash
# What several processes make of a machine: steps a second of one process with as many threads as there are ranks, of
# that many ranks with a thread each, and, where another program is named, of the same ranks of that one. They run by
# turns, so that a busy machine hits them alike; the ratio of every round, and the medians. Only medians of a machine
# that does nothing else mean something: one round of a busy one can be several times off.
#   scripts/bench-ranks.sh [-r ROUNDS] [-k RANKS] [-n STEPS] [-o OTHER] [-- SETTINGS...]
# Default: 7 rounds, 2 ranks, 12 steps of which the first 4 do not count, --preset micro --batch 256 --data synthetic.
# Needs a build with MPI (`make MPI=1`; $NFBENCH_BINARY, default ./nfbench) and mpirun.
set -eu
cd "$(dirname "$0")/.."
rounds=7 ranks=2 steps=12 other=
while getopts r:k:n:o: option; do
    case $option in
    r) rounds=$OPTARG ;;
    k) ranks=$OPTARG ;;
    n) steps=$OPTARG ;;
    o) other=$(realpath "$OPTARG") ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- --preset micro --batch 256 --data synthetic
warm=4
for number in "$rounds" "$ranks" "$steps"; do
    [[ $number =~ ^[1-9][0-9]*$ ]] || { echo "$number: -r, -k and -n want a number" >&2; exit 2; }
done
[ "$steps" -gt "$warm" ] || { echo "-n $steps: more than $warm steps are needed" >&2; exit 2; }
. scripts/bench-terminal.sh
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1

# Steps a second behind the warm ones, by the run's own records.
rate() { # PROCESSES THREADS PROGRAM SETTINGS...
    local processes=$1 threads=$2 program=$3
    shift 3
    rm -rf "$work/run"
    mpirun -n "$processes" --bind-to none "$program" train "$@" --device cpu --threads "$threads" --steps "$steps" --log-every 1 \
        --probe-every 0 --sessions-dir "$work" --session run >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; exit 1; }
    sed -nE 's/^\{"kind":"step","step":([0-9]+),.*"seconds":([0-9.e+-]+).*/\1 \2/p' "$work/run/metrics.jsonl" |
        awk -v warm="$warm" '$1 == warm { s = $2 } END { printf "%.4f\n", ($1 - warm) / ($2 - s) }'
}
column() { awk -v c="$1" '{ print $c }' "$work/rounds" | median; }

printf '%s: steps/s, %s steps of which %s count\n' "$*" "$steps" $((steps - warm))
printf '%-6s %14s %14s %8s' round "1 x $ranks threads" "$ranks x 1 thread" ratio
[ -z "$other" ] || printf ' %14s %8s' "$ranks x 1, other" ratio
echo
for ((round = 1; round <= rounds; round++)); do
    for ((turn = 0; turn < 3; turn++)); do
        case $(((turn + round) % 3)) in
        0) one=$(rate 1 "$ranks" "$binary" "$@") ;;
        1) many=$(rate "$ranks" 1 "$binary" "$@") ;;
        2) before=$([ -z "$other" ] || rate "$ranks" 1 "$other" "$@") ;;
        esac
    done
    awk -v r="$round" -v a="$one" -v b="$many" -v o="$before" 'BEGIN {
        printf "%-6d %14.3f %14.3f %8.3f", r, a, b, b / a
        if (o != "")
            printf " %14.3f %8.3f", o, b / o
        print ""
    }' | tee -a "$work/rounds"
done
printf '%-6s %14.3f %14.3f %8.3f' median "$(column 2)" "$(column 3)" "$(column 4)"
[ -z "$other" ] || printf ' %14.3f %8.3f' "$(column 5)" "$(column 6)"
echo
