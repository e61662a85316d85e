#!/bin/sh
# Fetches NVIDIA's NCCL with pip, for `make MPI=1 NCCL=1`, and unpacks what a build needs: nccl.sh FOLDER makes
# FOLDER/include/nccl.h and FOLDER/lib/libnccl.so.2, for NVCC's CUDA and this machine's processor. The version and its
# sums are fixed here.
set -eu
folder=${1:?FOLDER}
python=${PYTHON:-python3}
version=2.28.9

[ ! -f "$folder/include/nccl.h" ] || exit 0
cuda=$("${NVCC:-nvcc}" --version 2>/dev/null | sed -n 's/.*release \([0-9]*\).*/\1/p')
processor=$(uname -m)
case $cuda-$processor in
12-x86_64) sum=485776daa8447da5da39681af455aa3b2c2586ddcf4af8772495e7c532c7e5ab ;;
12-aarch64) sum=50a36e01c4a090b9f9c47d92cec54964de6b9fcb3362d0e19b8ffc6323c21b60 ;;
13-x86_64) sum=e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42 ;;
13-aarch64) sum=01c873ba1626b54caa12272ed228dc5b2781545e0ae8ba3f432a8ef1c6d78643 ;;
*)
    echo "nfbench: no NCCL to fetch for CUDA ${cuda:-(no nvcc)} on $processor: install NVIDIA's, and say make NCCL_HOME=FOLDER" >&2
    exit 1
    ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "nfbench: fetching NCCL $version for CUDA $cuda"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --platform "manylinux_2_18_$processor" --dest "$work" "nvidia-nccl-cu$cuda==$version" || {
    echo "nfbench: NCCL $version could not be fetched by pip" >&2
    exit 1
}
echo "$sum  $(echo "$work"/*.whl)" | sha256sum --quiet --check || {
    echo "nfbench: NCCL $version is not the file that it was: not used" >&2
    exit 1
}
"$python" -m zipfile -e "$work"/*.whl "$work/unpacked"
mkdir -p "$folder/include"
cp -r "$work"/unpacked/nvidia/nccl/lib "$folder/"
cp "$work"/unpacked/nvidia/nccl/include/nccl.h "$folder/include/nccl.h.new"
mv "$folder/include/nccl.h.new" "$folder/include/nccl.h" # the last, and whole: with it the rest is there
