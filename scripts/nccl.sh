#!/bin/sh
# Fetches NVIDIA's NCCL with pip, for `make MPI=1 NCCL=1`, and unpacks what a build needs: nccl.sh FOLDER makes
# FOLDER/include/nccl.h and FOLDER/lib/libnccl.so.2. The version and its sum are fixed here.
set -eu
folder=${1:?FOLDER}
python=${PYTHON:-python3}
version=2.28.9
sum=e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42

[ ! -f "$folder/include/nccl.h" ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "nfbench: fetching NCCL $version"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --platform manylinux_2_18_x86_64 --dest "$work" "nvidia-nccl-cu13==$version"
echo "$sum  $(echo "$work"/*.whl)" | sha256sum --quiet --check || {
    echo "nfbench: NCCL $version is not the file that it was: not used" >&2
    exit 1
}
"$python" -m zipfile -e "$work"/*.whl "$work/unpacked"
mkdir -p "$folder"
cp -r "$work"/unpacked/nvidia/nccl/lib "$folder/"
cp -r "$work"/unpacked/nvidia/nccl/include "$folder/"
