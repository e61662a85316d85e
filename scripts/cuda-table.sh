#!/bin/sh
# Registers, spills and static shared memory of each kernel, from what the assembler said of it: cuda-table.sh FILE...
# (the .ptxas files of a build). One row a kernel, registers for each architecture; spills and shared memory are the most
# of any. Fails when a convolution spills: its inner loops then wait for memory.
set -eu
[ $# -gt 0 ] || {
    echo "nfbench: no .ptxas files given: build with the CUDA compiler first" >&2
    exit 1
}
names=cat
! command -v c++filt >/dev/null 2>&1 || names=c++filt

for file in "$@"; do
    sed -n "s|^|$(basename "$file" .ptxas) |p" "$file"
done | awk '
/Compiling entry function/ { split($0, part, "\047"); kernel = part[2]; architecture = part[4]; sub("sm_", "", architecture) }
/spill stores/ && kernel   { match($0, /[0-9]+ bytes spill stores/); spill = substr($0, RSTART) + 0 }
/Used [0-9]+ registers/ && kernel {
    match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5) + 0
    shared = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART) + 0 : 0
    print $1, architecture, registers, spill, shared, kernel
    kernel = ""
}' | $names | awk '
{
    name = $0
    for (i = 0; i < 5; i++) sub(/^[^ ]+ /, "", name)
    gsub(/\(anonymous namespace\)::|^void |\([a-z_ ]*\)/, "", name)
    sub(/\(.*/, "", name)
    key = $1 ".cu\t" name
    if (!(key in row)) { row[key] = rows++; label[row[key]] = key }
    if (!($2 in column)) { column[$2] = columns++; architecture[columns - 1] = $2 }
    registers[row[key], $2] = $3
    if ($4 > spill[row[key]]) spill[row[key]] = $4
    if ($5 > shared[row[key]]) shared[row[key]] = $5
    if ($4 > 0 && $1 ~ /^conv/) { bad++; wrong = wrong "\n  " $1 ".cu " name " on sm_" $2 ": " $4 " bytes" }
}
END {
    if (!rows) { print "no kernels in these files"; exit 1 }
    for (i = 0; i < rows; i++) { split(label[i], part, "\t"); if (length(part[2]) > width) width = length(part[2]) }
    printf "%-20s %-" width "s", "file", "kernel"
    for (c = 0; c < columns; c++) printf " %5s", "sm_" architecture[c]
    printf " %6s %6s\n", "spills", "shared"
    for (i = 0; i < rows; i++) {
        split(label[i], part, "\t")
        printf "%-20s %-" width "s", part[1], part[2]
        for (c = 0; c < columns; c++) printf " %5s", (i, architecture[c]) in registers ? registers[i, architecture[c]] : "-"
        printf " %6d %6d\n", spill[i], shared[i]
        if (spill[i] > 0) spilling++
    }
    printf "%d kernels for %d architectures: registers a thread; %d spill\n", rows, columns, spilling
    if (bad) { printf "convolutions must not spill:%s\n", wrong; exit 1 }
}'
