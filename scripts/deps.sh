#!/bin/sh
# Installs what is missing to build, test or lint nfbench: deps.sh GROUP... (build, screen, cuda, mpi, test, lint).
# Looks first, by one call of the preprocessor, and does nothing more when all is there: no network, no apt.
# With apt (Debian, Ubuntu) it installs, as root or by sudo; elsewhere it names the packages.
set -u
CC=${CC:-cc} # may be several words: ccache cc

# group, what to look for (a header, or a command after '!'), package on Debian and Ubuntu, Fedora, Arch
table='
build !cc                  gcc,libc6-dev     gcc              gcc
build stdio.h              libc6-dev         glibc-devel      glibc
build omp.h                gcc               gcc              gcc
build oneapi/dnnl/dnnl.h   libdnnl-dev       onednn-devel     onednn
build ini.h                libinih-dev       inih-devel       libinih
build jansson.h            libjansson-dev    jansson-devel    jansson
build sha2.h               libmd-dev         libmd-devel      libmd
build png.h                libpng-dev        libpng-devel     libpng
build jpeglib.h            libjpeg-dev       libjpeg-turbo-devel libjpeg-turbo
build archive.h            libarchive-dev    libarchive-devel libarchive
build !curl                curl              curl             curl
screen readline/readline.h libreadline-dev   readline-devel   readline
screen ncurses.h           libncurses-dev    ncurses-devel    ncurses
cuda  !g++                 g++               gcc-c++          gcc
mpi   !mpicc               libopenmpi-dev    openmpi-devel    openmpi
mpi   !mpirun              openmpi-bin       openmpi          openmpi
test  !g++                 g++               gcc-c++          gcc
test  cmocka.h             libcmocka-dev     libcmocka-devel  cmocka
test  vterm.h              libvterm-dev      libvterm-devel   libvterm
test  !tmux                tmux              tmux             tmux
lint  !cppcheck            cppcheck          cppcheck         cppcheck
lint  !clang-format        clang-format      clang-tools-extra clang
'

# Prints the rows of the groups asked for whose header or command is not there.
missing_rows() {
    rows=$(printf '%s' "$table" | awk -v groups=" $* " 'NF && index(groups, " " $1 " ")')
    absent=$(printf '%s\n' "$rows" | awk '$2 !~ /^!/ { printf "#if !__has_include(<%s>)\n@%s\n#endif\n", $2, $2 }' |
        $CC -E -P -x c - 2>/dev/null | sed -n 's/^@//p')
    if ! $CC --version >/dev/null 2>&1; then
        absent=$(printf '%s\n' "$rows" | awk '{ print $2 }') # no compiler to ask: take all for missing
    fi
    printf '%s\n' "$rows" | while read -r group what packages; do
        case $what in
        !cc) $CC --version >/dev/null 2>&1 && continue ;;
        !*) command -v "${what#!}" >/dev/null 2>&1 && continue ;;
        *) printf '%s\n' "$absent" | grep -qxF "$what" || continue ;;
        esac
        echo "$group $what $packages"
    done
}

packages() { # COLUMN of the rows on standard input
    awk -v column="$1" '{ print $column }' | tr , '\n' | sort -u | tr '\n' ' ' | sed 's/ *$//'
}

die() {
    echo "nfbench: $*" >&2
    exit 1
}

[ $# -gt 0 ] || set -- build
rows=$(missing_rows "$@")
[ -n "$rows" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "nfbench: missing: $(printf '%s\n' "$rows" | awk '{ sub(/^!/, "", $2); print $2 }' | tr '\n' ' ')" >&2
    echo "  Fedora: dnf install $(printf '%s\n' "$rows" | packages 4)" >&2
    echo "  Arch:   pacman -S $(printf '%s\n' "$rows" | packages 5)" >&2
    echo "  Debian: apt-get install $(printf '%s\n' "$rows" | packages 3)" >&2
    die "install these, then run make again (there is no apt-get here to do it)"
fi

wanted=$(printf '%s\n' "$rows" | packages 3)
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || die "as root, run: apt-get install $wanted"
    as_root=sudo
    [ -t 0 ] || as_root='sudo -n'
fi
apt() {
    # shellcheck disable=SC2086 # two words on purpose
    $as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -qq "$@" </dev/null
}

echo "nfbench: installing by apt: $wanted"
log=$(mktemp) || die "cannot make a temporary file"
trap 'rm -f "$log"' EXIT
# The lists may be old or absent, so refresh them; packages in a cache may still do when that fails.
apt update >"$log" 2>&1 || echo "nfbench: apt-get update failed, trying with the lists that are there" >&2
# shellcheck disable=SC2086 # a list of packages
if ! apt install -y --no-install-recommends $wanted >>"$log" 2>&1; then
    grep -E '^(E|W):' "$log" >&2 || tail -n 5 "$log" >&2
    die "apt-get could not install: $wanted"
fi
still=$(missing_rows "$@" | awk '{ sub(/^!/, "", $2); print $2 }' | tr '\n' ' ')
[ -z "$still" ] || die "apt-get installed $wanted, but still missing: $still"
echo "nfbench: installed"
