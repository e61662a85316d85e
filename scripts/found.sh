#!/bin/sh
# Says in a few lines what the build found on this machine, so that a person sees why it is as it is.
set -u
CC=${CC:-cc} # may be several words: ccache cc
compiler=$($CC --version 2>/dev/null | head -n 1)
echo "compiler    ${compiler:-not found: $CC}, for ${MARCH:-native}"

version() { # HEADER PREFIX: MAJOR.MINOR.PATCH of the macros PREFIX_VERSION_*
    printf '#include <%s>\n@%s_VERSION_MAJOR.%s_VERSION_MINOR.%s_VERSION_PATCH\n' "$1" "$2" "$2" "$2" |
        $CC -E -P - 2>/dev/null | sed -n 's/^@//p' | tr -d ' '
}
onednn=$(version oneapi/dnnl/dnnl_version.h DNNL)
echo "oneDNN      ${onednn:-not found: make deps}"

if [ -n "${NVCC:-}" ]; then
    toolkit=$("$NVCC" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')
    gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | sort -u | tr '\n' ',' | sed 's/,$//; s/,/, /g')
    echo "CUDA        toolkit $toolkit in ${NVCC%/bin/nvcc}, for sm_$(echo "$CUDA_ARCHITECTURES" | sed 's/ /, /g')"
    echo "GPU         ${gpu:-none here: compiled for every kind, which takes minutes, to be taken to a machine with one; make CUDA=0 leaves it out}"
elif [ "${CUDA:-1}" = 0 ]; then
    echo "CUDA        left out (CUDA=0): CPU only"
else
    echo "CUDA        not found (no nvcc in CUDA_HOME or on the PATH): CPU only"
fi
case ${MPI:-0} in
0) ;;
*) echo "MPI         $("${MPICC:-mpicc}" --showme:version 2>/dev/null || echo 'not found: make deps MPI=1')" ;;
esac
case ${NCCL:-0},${MPI:-0} in
0,*) ;;
*,0) echo "NCCL        of no use without MPI=1: several GPUs train together by make MPI=1 NCCL=1" ;;
*) echo "NCCL        $([ -n "${NVCC:-}" ] && echo 'built in' || echo 'left out (no CUDA compiler)')" ;;
esac
[ -z "${HEADLESS:-}" ] || echo "screen      left out (HEADLESS=1)"
echo "processors  $(getconf _NPROCESSORS_ONLN)"
