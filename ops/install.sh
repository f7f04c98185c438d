#!/bin/sh
# Puts a built `bluegreen` on this host, as `bluegreen` and as `bg`.
#
#   ops/install.sh [--to FOLDER] FILE-OR-URL [SHA256 | FILE-WITH-CHECKSUMS]
#
# FOLDER is /usr/local/bin unless it is named. The checksum is one of 64 digits, or a file as
# `sha256sum` writes it; for a FILE with FILE.sha256 beside it, it need not be named. Nothing
# is installed without one. The program is tried before it takes the place of another, and
# takes it in one step: there is never half a file under its name.
# shellcheck disable=SC2016 # backquotes stand round what can be typed
set -eu
umask 022

say() { printf 'install: %s\n' "$*" >&2; }
give_up() { # give_up WHAT-IS-WRONG [WHAT-TO-DO]
    say "error: $1"
    [ $# -lt 2 ] || say "hint: $2"
    exit 1
}
usage() {
    say "$1"
    echo 'usage: ops/install.sh [--to FOLDER] FILE-OR-URL [SHA256 | FILE-WITH-CHECKSUMS]' >&2
    exit 2
}
have() { command -v "$1" >/dev/null 2>&1; }

# --- arguments --------------------------------------------------------------

to=/usr/local/bin what='' checksum=''
while [ $# -gt 0 ]; do
    case $1 in
    --to)
        [ -n "${2:-}" ] || usage '--to wants a folder'
        to=$2
        shift
        ;;
    --to=?*) to=${1#--to=} ;;
    -*) usage "there is no option $1" ;;
    *)
        if [ -z "$what" ]; then
            what=$1
        elif [ -z "$checksum" ]; then
            checksum=$1
        else
            usage "$1 is one word too many"
        fi
        ;;
    esac
    shift
done
[ -n "$what" ] || usage 'what is to be installed?'
case $to in
/*) ;;
*) to=$PWD/$to ;;
esac
[ "$to" = / ] || to=${to%/}
case $what in
-* | /* | *://*) ;;
*) what=./$what ;;
esac

# --- what is left behind ----------------------------------------------------

work='' new='' trial='' as_root=''
clean_up() {
    trap '' INT TERM HUP
    [ -z "$trial" ] || kill -KILL "$trial" 2>/dev/null || true
    [ -z "$new" ] || $as_root rm -f -- "$new"
    [ -z "$work" ] || rm -rf -- "$work"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
work=$(mktemp -d)

# --- the file ---------------------------------------------------------------

fetch() {
    say "fetching $what"
    if have curl; then
        curl --fail --silent --show-error --location --output "$work/fetched" -- "$what"
    elif have wget; then
        wget -q -O "$work/fetched" -- "$what"
    else
        give_up 'neither curl nor wget is here to fetch it' 'copy the file here, and name that'
    fi
}

case $what in
*://*)
    # What stands beside it in the same place proves nothing about that place.
    [ -n "$checksum" ] || give_up "there is no checksum for $what" \
        'name it as the last word: from where you learnt of the file, not from where the file is'
    fetch || give_up "$what cannot be fetched"
    name=${what%%[?#]*}
    name=${name##*/}
    file=$work/fetched
    ;;
*)
    [ -f "$what" ] || give_up "there is no file $what" '`ops/build` makes target/static/bluegreen'
    [ -r "$what" ] || give_up "$what cannot be read by $(id -un)"
    name=${what##*/}
    file=$what
    if [ -z "$checksum" ]; then
        [ -f "$what.sha256" ] || give_up "there is no checksum for $what: no $what.sha256, and none was named" \
            'where the file was built, `sha256sum FILE` prints it; name it as the last word'
        checksum=$what.sha256
    fi
    ;;
esac

# --- the checksum -----------------------------------------------------------

is_sum() {
    [ ${#1} -eq 64 ] || return 1
    case $1 in *[!0-9a-fA-F]*) return 1 ;; esac
}

# The sum of the file's own line; of the only line, as the file may have been renamed.
sum_in() {
    name=$name awk '
        { sum = $1; sub(/^[^ ]+ [ *]/, ""); sub(/\r$/, ""); sub(/^.*\//, "") }
        $0 == ENVIRON["name"] { named = sum; found++ }
        END { if (found == 1) print named; else if (NR == 1) print sum }' "$1"
}

sum_of() {
    if have sha256sum; then
        sha256sum <"$1"
    elif have shasum; then
        shasum -a 256 <"$1"
    else
        give_up 'neither sha256sum nor shasum is here to look at the file' 'sha256sum is part of coreutils'
    fi
}

if is_sum "$checksum"; then
    wanted=$checksum
elif [ -f "$checksum" ]; then
    wanted=$(sum_in "$checksum")
    is_sum "$wanted" || give_up "$checksum has no checksum for $name"
else
    give_up "$checksum is neither a SHA-256 checksum, of 64 hexadecimal digits, nor a file with some"
fi
wanted=$(printf '%s' "$wanted" | tr A-F a-f)

check_sum() {
    found=$(sum_of "$1")
    found=${found%% *}
    [ "$found" = "$wanted" ] || give_up "$2 is not the file that was meant: its SHA-256 is $found, and $wanted was expected" \
        'fetch or copy it again; if it is the same then, ask where it comes from'
}
check_sum "$file" "$what"

# --- is it for this machine? ------------------------------------------------

byte() { od -An -v -t u1 -j "$1" -N 1 "$file" | tr -d ' \n'; }

# The machine in an ELF header, as `uname -m` says it; the numbers are those of elf.h.
machine_of_file() {
    [ "$(od -An -v -t x1 -N 4 "$file" | tr -d ' \n')" = 7f454c46 ] ||
        give_up "$what is not a program for Linux" '`ops/build` makes one'
    case $(byte 4)-$(byte 18) in
    2-62) echo x86_64 ;;
    2-183) echo aarch64 ;;
    1-3) echo i686 ;;
    1-40) echo armv7l ;;
    2-243) echo riscv64 ;;
    *) echo 'another kind of machine' ;;
    esac
}

[ "$(uname -s)" = Linux ] || give_up "this is $(uname -s), and bluegreen works on Linux"
made_for=$(machine_of_file)
[ "$made_for" = "$(uname -m)" ] ||
    give_up "$what is for $made_for, and this machine is $(uname -m)" 'run `ops/build` on a machine of this kind'

# --- the folder -------------------------------------------------------------

# Rights to write to the folder; while there is none, to what it will be made in.
get_ready() {
    ground=$to
    while [ ! -e "$ground" ]; do ground=$(dirname -- "$ground"); done
    [ -d "$ground" ] || give_up "$ground is not a folder"
    if [ -z "$as_root" ] && { [ ! -w "$ground" ] || [ ! -x "$ground" ]; }; then
        become_root "$(id -un) cannot write to $ground"
    fi
    if [ ! -d "$to" ]; then
        say "making $to"
        $as_root mkdir -p -- "$to" || give_up "$to cannot be made"
    fi
}

become_root() { # become_root WHY
    instead='run this as root, or name a folder of yours: --to ~/.local/bin'
    if [ "$(id -u)" -eq 0 ]; then
        give_up "$1" 'is it on a read-only file system? `--to FOLDER` names another place'
    fi
    have sudo || give_up "$1, and there is no sudo" "$instead"
    say "$1; sudo can"
    as_root=sudo
    $as_root true || give_up "$1, and sudo has refused" "$instead"
}

# --- the program ------------------------------------------------------------

may_not_run_from() {
    folder=$(cd -- "$to" && pwd -P)/ awk '
        { at = $2; gsub(/\\040/, " ", at); if (at != "/") at = at "/" }
        index(ENVIRON["folder"], at) == 1 && length(at) >= longest { longest = length(at); options = $4 }
        END { exit options !~ /(^|,)noexec(,|$)/ }' /proc/mounts
}

explain() { # explain EXIT-CODE WHAT-IT-SAID
    case $1 in
    0) give_up "$what is a program and not bluegreen: it says \"$2\"" ;;
    126)
        if may_not_run_from; then
            give_up "no program may run from $to: it is mounted noexec" '--to FOLDER names another place'
        fi
        give_up "$what cannot be run from $to by $(id -un): $2"
        ;;
    127) give_up "$what wants a system library that is not here" '`ops/build` makes a program that wants none' ;;
    *) give_up "$what does not run here (exit code $1): $2" '`ops/build` makes a program that needs nothing of the machine' ;;
    esac
}

# In the background, so that a signal need not wait for it.
try_out() {
    code=0
    "$new" --version >"$work/said" 2>&1 &
    trial=$!
    wait "$trial" 2>/dev/null || code=$?
    trial=''
    said=$(head -n 1 "$work/said")
    case $code-$said in
    0-bluegreen\ *) ;;
    *) explain "$code" "$said" ;;
    esac
}

put() {
    [ ! -d "$to/bluegreen" ] || give_up "$to/bluegreen is a folder" '`--to FOLDER` names another place'
    new=$($as_root mktemp "$to/.bluegreen.XXXXXX") || give_up "nothing can be written to $to"
    $as_root cp -- "$file" "$new" || give_up "$what cannot be copied to $to"
    $as_root chmod 755 "$new"
    # What was looked at before may not be what was copied.
    check_sum "$new" "$what"
    try_out
    $as_root sync "$new" || give_up "$what cannot be written to the disk"
    $as_root mv -f -- "$new" "$to/bluegreen"
    say "$said is now $to/bluegreen"
}

# A link, so that the two are never of different versions.
put_bg() {
    new=$($as_root mktemp -u "$to/.bluegreen.XXXXXX")
    $as_root ln -s bluegreen "$new"
    $as_root mv -f -- "$new" "$to/bg"
    say "$to/bg is the same program"
}

is_there() { [ -f "$to/bluegreen" ] && [ -x "$to/bluegreen" ] && cmp -s -- "$file" "$to/bluegreen"; }

# One that was copied is as the `bluegreen` beside it.
what_is_bg() {
    if [ "$(readlink -- "$to/bg" 2>/dev/null)" = bluegreen ]; then
        echo link
    elif [ ! -e "$to/bg" ] && [ ! -L "$to/bg" ]; then
        echo missing
    elif cmp -s -- "$to/bg" "$to/bluegreen"; then
        echo copy
    else
        echo other
    fi
}

bg=$(what_is_bg)
if is_there; then
    say "$("$to/bluegreen" --version) is $to/bluegreen already"
else
    get_ready
    put
fi
case $bg in
missing | copy)
    get_ready
    put_bg
    ;;
other) say "$to/bg is something else and stays as it is: type \`bluegreen\`" ;;
esac

# --- will it be found? ------------------------------------------------------

case :$PATH: in
*:"$to":*)
    first=$(command -v bluegreen || true)
    [ "$first" = "$to/bluegreen" ] || say "another one comes before it on your PATH: $first"
    ;;
*) say "$to is not on your PATH: add \`export PATH=\"\$PATH:$to\"\` to your shell's profile" ;;
esac
