#!/usr/bin/env bash
# The speed of a training step on this machine's GPU beside PyTorch's, eager and compiled, in turn, so that a clock that
# falls hits all alike; medians and ratios. Called by `make gpu-bench`; by hand:
#   tests/gpu/bench.sh PROGRAM [-b BATCHES] [-p bf16|tf32] [-r ROUNDS] [-s STEPS] [-c 0|1] [PRESET...]
# Default: batches "64 512 1024", bf16 (else PyTorch computes in fp32 with its convolutions' products in TF32), 3 rounds,
# 20 steps a repeat, with torch.compile, presets report small large. PyTorch's side needs $PYTHON with torch and
# $NFBENCH_PEER/torch_nfnet.py (../shared/peer); without them ours is timed alone.
set -u
cd "$(dirname "$0")/../.." || exit 1
program=$1
shift
batches="64 512 1024" precision=bf16 rounds=3 steps=20 compile=1
while getopts b:p:r:s:c: option; do
    case $option in
    b) batches=$OPTARG ;;
    p) precision=$OPTARG ;;
    r) rounds=$OPTARG ;;
    s) steps=$OPTARG ;;
    c) compile=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- report small large
peer=${NFBENCH_PEER:-../shared/peer}/torch_nfnet.py
python=${PYTHON:-python3}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

ways="ours"
if [ ! -f "$peer" ]; then
    echo "no peer here ($peer is not there): PyTorch is not timed"
elif ! "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    echo "$python has no PyTorch that sees a GPU: PyTorch is not timed"
else
    ways="ours eager"
    [ "$compile" -eq 0 ] || ways="$ways compiled"
fi

autocast=
[ "$precision" != bf16 ] || autocast=--bf16

one() { # WAY PRESET BATCH: images/s
    local output
    case $1 in
    ours) output=$("$program" step "$2" "$3" "$precision" "$steps" 5 2>"$work/error") ;;
    eager) output=$("$python" "$peer" bench --device cuda $autocast --preset "$2" --batch "$3" --steps "$steps" \
        --warmup 5 2>"$work/error") ;;
    compiled) output=$("$python" "$peer" bench --device cuda $autocast --compile --preset "$2" --batch "$3" \
        --steps "$steps" --warmup 5 2>"$work/error") ;;
    esac
    if ! sed -nE 's/^(.* )?([0-9.]+) img\/s.*/\2/p' <<<"$output" | grep . >>"$work/$1.$2.$3"; then
        echo "$1, $2, batch $3: $(tail -n 1 "$work/error")" >&2
    fi
}
median() { # of a file's numbers; - when there are none
    [ -s "$1" ] || { echo -; return; }
    sort -g "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}
ratio() { # A B
    awk -v a="$1" -v b="$2" 'BEGIN { if (a == "-" || b == "-") print "-"; else printf "%.2fx\n", a / b }'
}

printf '%s, %s, images/s, medians of %s rounds in turn\n' \
    "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -n 1)" "$precision" "$rounds"
printf '%-8s %6s %10s %10s %10s %9s %11s\n' preset batch nfbench eager compiled "x eager" "x compiled"
for preset in "$@"; do
    for batch in $batches; do
        for ((round = 0; round < rounds; round++)); do
            for way in $ways; do one "$way" "$preset" "$batch"; done
        done
        ours=$(median "$work/ours.$preset.$batch") eager=$(median "$work/eager.$preset.$batch")
        compiled=$(median "$work/compiled.$preset.$batch")
        printf '%-8s %6s %10s %10s %10s %9s %11s\n' "$preset" "$batch" "$ours" "$eager" "$compiled" \
            "$(ratio "$ours" "$eager")" "$(ratio "$ours" "$compiled")"
    done
done
for preset in "$@"; do
    echo
    echo "convolutions of $preset, batch 512, $precision"
    "$program" convs "$preset" 512 "$precision"
done
[ -s "$work/ours.$1.${batches%% *}" ]
