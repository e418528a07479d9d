#!/bin/sh
# bare.sh DIRECTORY PROGRAM [ARGS...]: runs the program where DIRECTORY is the whole PATH and /bin/sh is BusyBox's, in a mount
# namespace that the caller has made.
set -eu
mount --bind "$(command -v busybox)" /bin/sh
PATH=$1
shift
exec "$@"
