#!/usr/bin/env bash
# Speed beside PyTorch: nfbench's bench and the peer's, alternating, so that a busy machine hits both alike; medians and
# ratios per preset.
#   scripts/bench-peer.sh [-b BATCH] [-r ROUNDS] [-t THREADS] [-s STEPS] [-p PRECISIONS] [PRESET...]
# Default: batch 64, 5 rounds, 2 threads, 5 steps a repeat on both sides, "fp32 bf16", report micro large.
# Needs python3 with PyTorch ($PYTHON) and the peer ($NFBENCH_PEER, default ../shared/peer).
set -eu
cd "$(dirname "$0")/.."
batch=64 rounds=5 threads=2 steps=5 precisions="fp32 bf16"
while getopts b:r:t:s:p: option; do
    case $option in
    b) batch=$OPTARG ;;
    r) rounds=$OPTARG ;;
    t) threads=$OPTARG ;;
    s) steps=$OPTARG ;;
    p) precisions=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- report micro large
peer=${NFBENCH_PEER:-../shared/peer}/torch_nfnet.py
python=${PYTHON:-/usr/bin/python3}
binary=${NFBENCH_BINARY:-./nfbench}

ours() { # PRESET PRECISION
    "$binary" bench --preset "$1" --batch "$batch" --device cpu --threads "$threads" --precision "$2" --steps "$steps" \
        --json 2>/dev/null | tail -n 1 | sed -nE 's/.*"images_per_second": *([0-9.eE+-]+).*/\1/p'
}
theirs() { # PRESET
    OMP_NUM_THREADS=$threads "$python" "$peer" bench --batch "$batch" --threads "$threads" --steps "$steps" --preset "$1" |
        sed -nE 's/.* ([0-9.]+) img\/s.*/\1/p'
}
median() {
    sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'images/s, batch %s, %s threads, median of %s rounds\n' "$batch" "$threads" "$rounds"
printf '%-8s %-6s %9s %9s %8s\n' preset "" torch nfbench ratio
for preset in "$@"; do
    for ((round = 0; round < rounds; round++)); do
        theirs "$preset" >>"$work/$preset.torch"
        for precision in $precisions; do
            ours "$preset" "$precision" >>"$work/$preset.$precision"
        done
    done
    torch=$(median <"$work/$preset.torch")
    for precision in $precisions; do
        awk -v p="$preset" -v q="$precision" -v t="$torch" -v o="$(median <"$work/$preset.$precision")" \
            'BEGIN { printf "%-8s %-6s %9.1f %9.1f %7.2fx\n", p, q, t, o, o / t }'
    done
done
