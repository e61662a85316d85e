#!/usr/bin/env bash
# Runs test programs, TEST_JOBS (1) of them side by side, and sums their results: run-tests.sh PROGRAM...
# A cmocka program counts test by test (by its TAP output); a program may also end with a line `N passed, N failed`
# of its own. A crash, a time-out or a test that was planned and never reported counts as failed, and the output of
# what failed is shown, and added to the file named by FAILURES, where it is set. The last line is `N passed, N failed`,
# with `, N skipped` where some were.
set -u
limit=${TEST_TIMEOUT:-900} jobs=${TEST_JOBS:-1}
passed=0 failed=0 skipped=0
work=$(mktemp -d) || exit 1
log=$work/log
declare -A running=() # the number of each program under way, by its process
trap 'kill "${!running[@]}" $(cat "$work"/*.pid 2>/dev/null) 2>/dev/null; end_started "$work/"; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

export CMOCKA_MESSAGE_OUTPUT=TAP
# Threads that wait must not spin: tests share the machine with others.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive} LC_ALL=C.UTF-8
# TSan cannot place its shadow when the kernel randomises addresses widely.
runner=()
if [ -n "${TSAN_OPTIONS:-}" ] && setarch -R true 2>/dev/null; then runner=(setarch -R); fi

# The real CIFAR-10 images, unpacked once, where the machine has the archive.
provide_images() {
    local unpack=${SHARED:-../shared}/cifar10/unpack.py folder
    [ -n "${NFBENCH_CIFAR10:-}" ] || return 0
    [ -f "$NFBENCH_CIFAR10/test_batch.bin" ] && return
    folder=$(dirname "$NFBENCH_CIFAR10")
    if [ ! -f "$unpack" ]; then
        echo "no real images here ($unpack is not there): tests that want them are skipped"
    elif ! "${PYTHON:-python3}" -c 'import PIL' 2>/dev/null; then
        echo "no Pillow here (Debian: python3-pil): tests that want the real images are skipped"
    elif mkdir -p "$folder" && "${PYTHON:-python3}" "$unpack" "$folder" >"$log" 2>&1; then
        return
    else
        echo "the real images could not be unpacked, tests that want them are skipped:"
        cat "$log"
    fi
    unset NFBENCH_CIFAR10
}

# PyTorch's logits and gradients in full, where the machine has it.
provide_peer() {
    local peer=${SHARED:-../shared}/peer
    [ -n "${NFBENCH_PEER_FILES:-}" ] || return 0
    [[ " $* " == */tests/peer/* ]] || return 0
    if [ ! -f "$peer/torch_nfnet.py" ]; then
        echo "no peer here ($peer/torch_nfnet.py is not there): the full comparison with PyTorch is skipped"
    elif ! "${PYTHON:-python3}" -c 'import torch, numpy' 2>/dev/null; then
        echo "no PyTorch here (Debian: python3-torch): the full comparison with it is skipped"
    elif "${PYTHON:-python3}" tests/peer/peer.py --peer "$peer" live "$NFBENCH_PEER_FILES" >"$log" 2>&1; then
        return
    else
        echo "PyTorch's files could not be made, the full comparison is skipped:"
        cat "$log"
    fi
    unset NFBENCH_PEER_FILES
}

# What a program has started ends with it: a run that a failed test left behind would load the machine for all that
# follow. It is found by the program's mark in its environment, whatever session or group it is in by then; a MARK that
# is only the beginning means all programs.
end_started() { # MARK
    local left
    for _ in {1..100}; do # what is told to end may take a moment, or have started another meanwhile
        left=$(grep -lzF "NFBENCH_TEST=$1" /proc/[0-9]*/environ 2>/dev/null | sed 's|/proc/\([0-9]*\)/.*|\1|')
        [ -n "$left" ] || return 0
        kill -KILL $left 2>/dev/null
        sleep 0.1
    done
}

# Runs one, and leaves in $work its output, NUMBER.log, what is to be shown of it, NUMBER.report, and PASSED FAILED
# SKIPPED, NUMBER.sum.
run_program() { # NUMBER PROGRAM
    local log=$work/$1.log program=$2 status ok bad skip planned own note= TIMEFORMAT='%R s, %U s of CPU'
    local command=("${runner[@]}" "$program")
    case $program in
    */*) ;;
    *) command=("${runner[@]}" "./$program") ;;
    esac
    case $program in
    *.py) command=("${PYTHON:-python3}" "$program") ;;
    *.sh) command=(bash "$program") ;;
    esac
    command=(sh -c 'echo $$ >"$0" && exec "$@"' "$work/$1.pid" timeout -k 5 "$limit" "${command[@]}")
    { time NFBENCH_TEST=$work/$1. "${command[@]}" >"$log" 2>&1 </dev/null; } 2>"$work/$1.time"
    status=$?
    end_started "$work/$1."
    own=$(tail -n 1 "$log" | sed -nE 's/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$/\1 \2 \4/p')
    if [ -n "$own" ]; then
        read -r ok bad skip <<<"$own"
        skip=${skip:-0}
    else
        planned=$(sed -nE 's/^1\.\.([0-9]+).*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
        skip=$(grep -cE '^(not )?ok [0-9]+ # SKIP' "$log")
        ok=$(grep -cE '^ok [0-9]+ - ' "$log")
        bad=$((planned - ok - skip))
    fi
    if [ $status -eq 124 ] || [ $status -eq 137 ]; then
        note=" (stopped after $limit s)"
    elif [ $status -gt 128 ]; then
        note=" (crashed: signal $((status - 128)))"
    elif [ $status -ne 0 ]; then
        note=" (exit status $status)"
    fi
    # An unhappy end with no failed test is a failure all the same (a leak, a crash at exit, no plan at all).
    if [ "$bad" -le 0 ] && { [ $status -ne 0 ] || [ $((ok + skip)) -eq 0 ]; }; then bad=1; fi
    echo "$ok $bad $skip" >"$work/$1.sum"
    {
        printf '%-4s %s: %d passed' "$([ "$bad" -eq 0 ] && echo ok || echo FAIL)" "${program#"${BUILD:-build}"/}" "$ok"
        [ "$bad" -eq 0 ] || printf ', %d failed' "$bad"
        [ "$skip" -eq 0 ] || printf ', %d skipped' "$skip"
        printf '%s, %s\n' "$note" "$(sed -n '$s/\.[0-9]*//gp' "$work/$1.time")"
        if [ "$bad" -ne 0 ]; then
            tail -n 150 "$log" | sed 's/^/    /'
        elif [ "$skip" -ne 0 ]; then
            grep -B1 '# SKIP' "$log" | grep -vE '^(ok [0-9]+ - |--$)' | sed 's/^/    /'
        fi
    } >"$work/$1.report"
}

# Waits for any of those under way, shows what it has to say and counts it.
take_one() {
    local process number ok bad skip
    wait -n -p process "${!running[@]}"
    number=${running[$process]}
    unset "running[$process]"
    read -r ok bad skip <"$work/$number.sum"
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    cat "$work/$number.report"
    [ "$bad" -eq 0 ] || [ -z "${FAILURES:-}" ] || cat "$work/$number.report" >>"$FAILURES"
    rm -f "$work/$number".*
}

provide_images
provide_peer "$@"
set -m # or programs in the background would ignore SIGINT, which some tests send
number=0
for program in "$@"; do
    [ ${#running[@]} -lt "$jobs" ] || take_one
    number=$((number + 1))
    run_program $number "$program" &
    running[$!]=$number
done
while [ ${#running[@]} -gt 0 ]; do take_one; done

printf '%d passed, %d failed' "$passed" "$failed"
[ "$skipped" -eq 0 ] || printf ', %d skipped' "$skipped"
printf '\n'
[ "$failed" -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
