#!/usr/bin/env bash
# Sessions on real disks of their own: one that is full for a while, and one that cannot be written. Needs a mount
# namespace (unshare), and is skipped where the machine gives none.
set -u
if [ -z "${NFBENCH_DISKS:-}" ]; then
    if ! unshare -rm true 2>/dev/null; then
        echo "skipped: this machine lets nobody mount a disk of his own (unshare -rm)"
        echo "0 passed, 0 failed, 3 skipped"
        exit 0
    fi
    NFBENCH_DISKS=1 exec unshare -rm "$BASH" "$0"
fi

nfbench=$(realpath "${NFBENCH_BINARY:-nfbench}")
work=$(mktemp -d) || exit 1
disk=$work/disk
mkdir "$disk"
export HOME=$work XDG_DATA_HOME=$work OMP_WAIT_POLICY=passive
trap 'umount -l "$disk" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
passed=0 failed=0
run=(--family papers --stem 4 --stages 4/4x1 --threads 1 --precision fp32 --data synthetic --limit 48 --batch 8
    --validation 16 --normalize image --lr 0.05 --schedule cosine --ema 0.9 --log-every 1 --probe-every 7
    --checkpoint-every 4 --epochs 5)

say() { # of the test that fails
    echo "$@"
    good=0
}

check() { # NAME: runs that function, and counts it
    good=1
    "$1"
    if [ $good -eq 1 ]; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "$1: failed" && tail -n 20 err; fi
}

# Every figure of every step that is the same in the same run.
figures() { grep -oE '"kind":"step",.*"clipped_units":[0-9]+' "$1/metrics.jsonl"; }

same_as_whole() { # SESSION'S FOLDER
    [ "$(figures "$1")" = "$(figures nfbench/whole)" ] || say "$1 has other figures than the run that had room"
    "$nfbench" sessions verify "$1" >out 2>&1 || say "$1: $(cat out)"
}

start_on_small_disk() { # NAME: returns when it waits, its process in $process
    mount -t tmpfs -o size=72k tmpfs "$disk"
    rm -f err # what the run before said
    "$nfbench" train "${run[@]}" --sessions-dir "$disk" --session "$1" >out 2>err &
    process=$!
    for ((i = 0; i < 3000; i++)); do
        grep -qs "No space left on device; make room on its disk. Training waits" err && return
        kill -0 $process 2>/dev/null || break
        sleep 0.1
    done
    say "it did not wait for room"
}

# With its type and source: with the folder alone, mount adds the options that it has, of which a person who is root only
# here may not say all.
make_room() {
    mount -t tmpfs -o remount,size=10m tmpfs "$disk" || { say "the disk cannot be made larger" && return 1; }
}

a_full_disk_pauses_a_run_until_there_is_room() {
    start_on_small_disk full
    make_room || kill -TERM $process
    wait $process || say "exit code $?"
    grep -q "there is room again: training goes on" err || say "it does not say that it goes on"
    same_as_whole "$disk/full"
    umount "$disk"
}

who_ends_it_meanwhile_loses_no_more_than_the_steps_since_the_checkpoint() {
    start_on_small_disk ended
    kill -TERM $process
    local status=0
    wait $process || status=$?
    [ $status -eq 1 ] || say "exit code $status in place of 1"
    grep -q "Ended without saving: a resume makes the steps behind the last checkpoint again" err || say "no word of it"
    make_room || { umount "$disk"; return; }
    "$nfbench" resume "$disk/ended" >out 2>err || say "it cannot be resumed"
    same_as_whole "$disk/ended"
    umount "$disk"
}

refused() { # COMMAND...: one line that says why
    "$nfbench" "$@" >out 2>err && say "$1: exit code 0"
    [ "$(grep -c ^nfbench err)" -eq 1 ] || say "$1: not one line: $(cat err)"
    grep -q "Read-only file system" err || say "$1: no word of the disk: $(cat err)"
}

what_cannot_be_written_can_be_read() {
    mkdir locked && cp -r nfbench/whole locked/whole
    mount --bind locked "$disk" && mount -o remount,bind,ro "$disk"
    local before
    before=$(cd locked && find . -type f -exec sha256sum {} + | sort)
    for command in "sessions" "sessions show whole" "sessions verify whole" "sessions compare whole $PWD/nfbench/whole" \
        "test whole" "replay whole --to 9" "export whole --what loss --to $PWD/elsewhere"; do
        # shellcheck disable=SC2086
        "$nfbench" $command --sessions-dir "$disk" >out 2>err || say "$command: $(cat err)"
    done
    refused train "${run[@]}" --sessions-dir "$disk" --session new
    refused resume whole --sessions-dir "$disk"
    refused fork whole --sessions-dir "$disk"
    refused export whole --what loss --sessions-dir "$disk"
    refused import nfbench/whole/checkpoints/30.safetensors --family papers --stem 4 --stages 4/4x1 --sessions-dir "$disk"
    refused sessions verify whole --repair --sessions-dir "$disk"
    [ "$before" = "$(cd locked && find . -type f -exec sha256sum {} + | sort)" ] || say "its files have changed"
    umount "$disk"
}

"$nfbench" train "${run[@]}" --session whole >out 2>err || { cat err && exit 1; }
check a_full_disk_pauses_a_run_until_there_is_room
check who_ends_it_meanwhile_loses_no_more_than_the_steps_since_the_checkpoint
check what_cannot_be_written_can_be_read
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
