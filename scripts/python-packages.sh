#!/bin/sh
# Installs with pip what tests want of Python beside PyTorch, once: python-packages.sh FOLDER makes FOLDER/safetensors and
# FOLDER/tensorboard, each to be put on PYTHONPATH alone (TensorBoard brings a NumPy that an older PyTorch cannot read),
# in the versions of python-packages.txt.
# Where there is no pip or no network it says so, and these tests are skipped.
set -u
folder=${1:?FOLDER}
python=${PYTHON:-python3}

provide() { # NAME, options of pip
    name=$1
    shift
    [ ! -d "$folder/$name" ] || return 0
    rm -rf "$folder/$name.new"
    if "$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore "$@" \
        --constraint "$(dirname "$0")/python-packages.txt" --target "$folder/$name.new" "$name" >"$folder/$name.log" 2>&1; then
        mv "$folder/$name.new" "$folder/$name"
    else
        echo "$name could not be installed by pip: tests that want it are skipped ($(tail -n 1 "$folder/$name.log"))"
    fi
}

mkdir -p "$folder" || exit 1
provide safetensors --no-deps
provide tensorboard
