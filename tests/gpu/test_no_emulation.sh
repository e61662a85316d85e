#!/usr/bin/env bash
# What the GPU's test programs ask of the emulation, tests/gpu/no_emulation.c answers: without it they do not link, which
# shows only where there is a CUDA compiler.
set -u
cd "$(dirname "$0")/../.." || exit 1
answers=tests/gpu/no_emulation.c
missing=0
for file in tests/cuda/*.[ch] tests/cuda/test_conv*.cu tests/gpu/*.[ch]; do
    case $file in "$answers" | tests/cuda/emulation_support.h) continue ;; esac # the latter: of the emulation's own tests
    for name in $(grep -oE '\bemulation_[a-z_]+' "$file" | sort -u); do
        grep -qE "\b$name\b *(\(|=)" tests/cuda_emulation/emulation.h "$answers" || continue # a type's name
        grep -qE "^[a-z].*\b$name\b *(\(|=)" "$answers" && continue
        echo "$answers lacks $name, which $file uses"
        missing=1
    done
done
[ $missing -eq 0 ] && echo "1 passed, 0 failed"
exit $missing
