# Puts the program that comes in over standard input into FOLDER/HASH/bluegreen, once it is
# seen to be whole and to run. Arguments: FOLDER HASH SECONDS. Ends with 65 when it is not whole,
# 66 when it does not run, 124 when it has not come within SECONDS.
set -eu
umask 077
mkdir -p "$1/$2"
chmod 700 "$1" "$1/$2"
new=$1/$2/.new.$$
trap 'rm -f "$new"' EXIT
trap 'exit 1' HUP INT TERM
# A client that hangs keeps the line open for as long as the server lets it.
timeout "$3" cat >"$new"
sum=$(sha256sum <"$new")
[ "${sum%% *}" = "$2" ] || exit 65
chmod 755 "$new"
"$new" --version >/dev/null || exit 66
mv -f "$new" "$1/$2/bluegreen"
trap - EXIT
# Engines of other versions go, but for the newest three and those that a process list or a
# registry entry names.
ls -1t "$1" | tail -n +4 | while read -r old; do
    [ "$old" != "$2" ] || continue
    ! grep -qsF "$1/$old/" "$HOME/.pm2/dump.pm2" "${PM2_HOME:-$HOME/.pm2}/dump.pm2" /etc/bluegreen/apps/*.toml || continue
    rm -rf "${1:?}/$old"
done
