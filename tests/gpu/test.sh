#!/usr/bin/env bash
# All that is tested on a real GPU, and then the ops again under the memory and race checkers where the toolkit has
# them: test.sh PROGRAM... Called by `make gpu-test`.
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
ops=
for program in "$@"; do
    case $program in */gpu/test_selftest) ops=$program ;; esac
done
if [ -z "$ops" ]; then
    echo "test_selftest is not among the programs: memory and race checks are skipped"
    exit $status
fi
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
for tool in memcheck racecheck; do
    if timeout 600 "$sanitizer" --tool $tool --error-exitcode 9 "$ops" >"$log" 2>&1; then
        echo "ok   compute-sanitizer $tool: $(tail -n 1 "$log")"
    elif grep -q 'Device not supported' "$log"; then
        echo "compute-sanitizer $tool: skipped: it does not support this device"
    else
        echo "FAIL compute-sanitizer $tool:"
        tail -n 60 "$log" | sed 's/^/    /'
        status=1
    fi
done
exit $status
