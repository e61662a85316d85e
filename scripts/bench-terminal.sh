# What bench-screen.sh and bench-attached.sh, which source it, both need: the program, a folder and a tmux of their own
# that go when they do, the median. Not a script by itself.
binary=$(realpath "${NFBENCH_BINARY:-./nfbench}")
work=$(mktemp -d)
terminal() { tmux -S "$work/tmux" -f /dev/null "$@"; }
clean_up() {
    terminal kill-server 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
median() {
    sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}
