#!/bin/sh
# merge.sh TREE ROOT: puts the files of TREE, as a device has them from its root, below ROOT, and writes the manifest there.
#
# A file in ROOT that is not ours is kept, and the script reports it: of a script in /usr/lib/af-conn, our version
# becomes NAME.connmgr, of a configuration in /etc NAME.new; an executable of the original becomes NAME.original. A file
# is ours if its sum is in the manifest of the last installation, or in known-files.sha256. A changed copy is not ours.
set -euf

[ $# = 2 ] || { sed -n '2s/^# \([^:]*\):.*/usage: \1/p' "$0" >&2; exit 64; }
tree=$1 root=${2%/}
here=$(cd "$(dirname "$0")" && pwd)
manifest=usr/share/connmgr/manifest.sha256
say() { echo "connmgr: $*" >&2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat "$here/known-files.sha256" >"$work/known"
[ ! -f "$root/$manifest" ] || cat "$root/$manifest" >>"$work/known"

# is_foreign FILE: true if the file is not ours and differs from our version.
is_foreign() {
    [ -e "$root/$1" ] && ! cmp -s "$tree/$1" "$root/$1" &&
        ! grep -qxF "$(sha256sum <"$root/$1" | cut -d' ' -f1)  $1" "$work/known"
}
# put FILE TARGET
put() {
    install -D -m "$(stat -c %a "$tree/$1")" "$tree/$1" "$root/$2"
    echo "$2" >>"$work/files"
}

# Comments of the manifest name the directories that were made here, now or before.
{
    sed -n '/^# /p' "$root/$manifest" 2>/dev/null || :
    (cd "$tree" && find . -type d && echo ./usr/bin) | while read -r directory; do
        [ -d "$root/$directory" ] || echo "# ${directory#./}"
        mkdir -p "$root/$directory"
    done
} >"$work/directories"
(cd "$tree" && find . -type f ! -path "./$manifest") | sed 's,^\./,,' | LC_ALL=C sort | while read -r file; do
    case $file in
        usr/lib/af-conn/*) suffix=.connmgr ;;
        etc/init.d/* | etc/capabilities/*) suffix= ;;
        etc/*) suffix=.new ;;
        *) suffix= ;;
    esac
    if [ -n "$suffix" ] && is_foreign "$file"; then
        put "$file" "$file$suffix"
        say "$root/$file is not ours and is kept, ours is $root/$file$suffix"
    else
        [ -z "$suffix" ] || rm -f "$root/$file$suffix"
        put "$file" "$file"
    fi
done

# The original's executable was /usr/bin/connmgr, and its watchers start that path. Where /usr/sbin is /usr/bin, our
# executable is there already.
link=$root/usr/bin/connmgr
above=$(readlink "$root/usr/sbin" || :)
if [ "${above##*/}" != bin ]; then
    if [ -f "$link" ] && [ ! -L "$link" ]; then
        mv "$link" "$link.original"
        say "$link was another program: it is connmgr.original now"
    fi
    ln -sfn ../sbin/connmgr "$link"
fi

{
    (cd "$root/" && LC_ALL=C sort "$work/files" | xargs sha256sum)
    LC_ALL=C sort -u "$work/directories"
} >"$work/manifest"
install -D -m 644 "$work/manifest" "$root/$manifest"
