#!/bin/sh
# The MongoDB that the tests use; docs/decisions/0002-mongodb-test-server.md says why this one.
#
#   tests/mongo_server.sh install                   fetch the stand-in server, once
#   tests/mongo_server.sh run --port N --data DIR [--address A]
#                                                   serve DIR on A (127.0.0.1), in the foreground
#   tests/mongo_server.sh uri [--port N]            print the URI to connect to
#
# MONGODB_URI comes first: that server is somebody else's, so `run` exits 77 ("skip"). Then a real
# `mongod` on the PATH. Then a pinned SecantusDB in HEADCOUNT_TEST_CACHE (default build/test-cache).
# `run` becomes the server (exec): its process id is the server's. kill -9 it and run it again on the
# same DIR: every acknowledged write is there. It is ready when it accepts connections.
# Exit status: 77 skip, 100 usage, 111 cannot.
#
# Debian packages: python3 python3-venv (only for SecantusDB).
set -eu

release=0.6.0b17 # of the Python package; its native server calls itself 0.5.3-beta.165

die() { # status message
    printf 'mongo_server.sh: %s\n' "$2" >&2
    exit "$1"
}

usage() {
    die 100 'usage: install | run --port N --data DIR [--address A] | uri [--port N]'
}

install_server() {
    if [ -n "${MONGODB_URI:-}" ]; then
        echo 'MONGODB_URI is set: nothing to install'
        return
    fi
    if mongod=$(command -v mongod); then
        echo "$mongod is there: nothing to install"
        return
    fi
    mkdir -p "$cache"
    exec 9>"$cache/mongo_server.lock"
    flock 9
    if "$server" --version >/dev/null 2>&1; then
        echo "already installed: $server"
        return
    fi
    echo "installing SecantusDB $release into $venv"
    # The native server in the wheel needs none of the Python packages that the wheel asks for.
    if "${PYTHON:-/usr/bin/python3}" -m venv --clear "$venv" &&
        "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
            --only-binary :all: "SecantusDB==$release" &&
        "$server" --version; then
        return
    fi
    die 111 "cannot install SecantusDB $release: put a mongod on the PATH or set MONGODB_URI"
}

run_server() {
    [ -z "${MONGODB_URI:-}" ] || die 77 'MONGODB_URI names a server that is not ours to run'
    mkdir -p "$data"
    if command -v mongod >/dev/null; then
        exec mongod --bind_ip "$address" --port "$port" --dbpath "$data"
    fi
    [ -x "$server" ] || die 111 "$server is missing: run 'tests/mongo_server.sh install'"
    # Without --sync-on-commit a kill -9 loses acknowledged writes, even those with j: true; with
    # the log's usual 2 GB a restart after one takes 12 s.
    exec "$server" --host "$address" --port "$port" --storage-path "$data" --sync-on-commit \
        --log-file-max 16MB --cache-size 256M --log-level WARNING
}

print_uri() {
    echo "${MONGODB_URI:-mongodb://127.0.0.1:${port:-27017}/?serverSelectionTimeoutMS=5000}"
}

[ $# -gt 0 ] || usage
command=$1 port='' data='' address=127.0.0.1
shift
while [ $# -gt 1 ]; do
    case $1 in
    --port) port=$2 ;;
    --data) data=$2 ;;
    --address) address=$2 ;;
    *) usage ;;
    esac
    shift 2
done
[ $# -eq 0 ] || usage

cache=$(realpath -m "${HEADCOUNT_TEST_CACHE:-$(dirname "$0")/../build/test-cache}")
venv=$cache/secantusdb-$release
server=$venv/bin/secantusd-rs

case $command in
install) install_server ;;
run)
    if [ -z "$port" ] || [ -z "$data" ]; then usage; fi
    run_server
    ;;
uri) print_uri ;;
*) usage ;;
esac
