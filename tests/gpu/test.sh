#!/usr/bin/env bash
# All that is tested on a real GPU, and then ops, convolutions and short runs again under the memory and race checkers
# where the toolkit has them: test.sh PROGRAM... Called by `make gpu-test`.
set -u
cd "$(dirname "$0")/../.." || exit 1
echo "GPU: $(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null || echo 'nvidia-smi finds none')"
TEST_TIMEOUT=${TEST_TIMEOUT:-900} scripts/run-tests.sh "$@"
status=$?

sanitizer=$(command -v compute-sanitizer || command -v "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer")
if [ -z "$sanitizer" ]; then
    echo "compute-sanitizer is not here: memory and race checks are skipped"
    exit $status
fi
# Every op, every tile of the convolutions, and whole networks: a step, recorded steps and short runs.
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
checked=0
for tool in memcheck racecheck; do
    for program in "$@"; do
        case $program in
        */gpu/test_selftest | */cuda/test_conv | */cuda/test_conv_mma | */cuda/test_network | */cuda/test_run)
            checked=$((checked + 1))
            ;;
        *) continue ;;
        esac
        name="compute-sanitizer $tool, $(basename "$program")"
        if timeout "${TEST_TIMEOUT:-900}" "$sanitizer" --tool $tool --error-exitcode 9 "$program" >"$log" 2>&1; then
            echo "ok   $name: $(grep '=========' "$log" | tail -n 1)"
        elif grep -q 'Device not supported' "$log"; then
            echo "$name: skipped: it does not support this device"
        else
            echo "FAIL $name:"
            tail -n 60 "$log" | sed 's/^/    /'
            status=1
        fi
    done
done
if [ $checked -eq 0 ]; then
    echo "none of the programs is one for compute-sanitizer: memory and race checks are skipped"
fi
exit $status
