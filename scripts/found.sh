#!/bin/sh
# Says in a few lines what the build found on this machine, so that a person sees why it is as it is.
set -u
CC=${CC:-cc}
compiler=$("$CC" --version 2>/dev/null | head -n 1)
echo "compiler    ${compiler:-not found: $CC}, for ${MARCH:-native}"

version() { # HEADER PREFIX: MAJOR.MINOR.PATCH of the macros PREFIX_VERSION_*
    printf '#include <%s>\n@%s_VERSION_MAJOR.%s_VERSION_MINOR.%s_VERSION_PATCH\n' "$1" "$2" "$2" "$2" |
        "$CC" -E -P - 2>/dev/null | sed -n 's/^@//p' | tr -d ' '
}
onednn=$(version oneapi/dnnl/dnnl_version.h DNNL)
echo "oneDNN      ${onednn:-not found: make deps}"

nvcc=$(command -v nvcc || command -v "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc")
if [ -n "$nvcc" ]; then
    cuda=$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')
    echo "CUDA        toolkit $cuda found; this version of nfbench has the CPU engine only"
else
    echo "CUDA        not found: CPU only"
fi
echo "processors  $(getconf _NPROCESSORS_ONLN)"
