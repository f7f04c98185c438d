# Puts the program that comes in over standard input into FOLDER/HASH/bluegreen, once it is
# seen to be whole and to run. Arguments: FOLDER HASH SECONDS. Ends with 65 when it is not whole,
# 66 when it does not run, 124 when it has not come within SECONDS.
set -eu
umask 077
mkdir -p "$1/$2"
chmod 700 "$1" "$1/$2"
new=$1/$2/.new.$$
# Nothing half is left behind; the folder stays where another upload is at work in it.
trap 'rm -f "$new"; rmdir "$1/$2" 2>/dev/null || :' EXIT
trap 'exit 1' HUP INT TERM
# What an upload left that was killed or cut off an hour ago or earlier.
find "$1/$2" -name '.new.*' -mmin +60 -exec rm -f {} +
# A client that hangs keeps the line open for as long as the server lets it.
timeout "$3" cat >"$new"
sum=$(sha256sum <"$new")
[ "${sum%% *}" = "$2" ] || exit 65
chmod 755 "$new"
"$new" --version >/dev/null || exit 66
mv -f "$new" "$1/$2/bluegreen"
trap - EXIT

# Engines of other versions go, but for the newest three and those that a registry entry or a
# process list names: this user's, and those of the apps in the registry.
entries() {
    if [ -n "${BG_REGISTRY:-}" ]; then
        cat "$BG_REGISTRY"/*.toml
    else
        cat "${XDG_CONFIG_HOME:-$HOME/.config}"/bluegreen/apps/*.toml /etc/bluegreen/apps/*.toml
    fi 2>/dev/null || :
}
process_lists() {
    cat "$HOME/.pm2/dump.pm2" "${PM2_HOME:-$HOME/.pm2}/dump.pm2" || :
    entries | sed -n 's/^pm2_home *= *"\(.*\)"$/\1/p' | while read -r home; do
        cat "$home/dump.pm2" || :
    done
}
named=$(entries; process_lists 2>/dev/null)
# The names are hashes, and only ls sorts by age everywhere.
# shellcheck disable=SC2012
ls -1t "$1" | tail -n +4 | while read -r old; do
    case $named in
    *"$1/$old/"*) ;;
    *) [ "$old" = "$2" ] || rm -rf "${1:?}/$old" || : ;;
    esac
done
