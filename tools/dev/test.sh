#!/bin/bash
# ./dev test [PART] [ARGS…]: builds plain and with sanitizers, runs the tests, sums up.
# PART: lint, unit, threads, fuzz, journey, browser, attack, fault; all of them without one. ARGS go to
# pytest (unit: meson test).
# Every suite writes a JUnit file into build/reports, from which the last line is made.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
# shellcheck source=tools/dev/common.sh
. tools/dev/common.sh

reports=$PWD/build/reports
at_once=5 # journeys
failed=0
started=$SECONDS

suite() { # title command…
    local title=$1 before=$SECONDS
    shift
    printf '\n== %s\n' "$title"
    if "$@"; then
        printf '== %s: passed in %d s\n' "$title" $((SECONDS - before))
    else
        failed=1
        printf '== %s: FAILED after %d s\n' "$title" $((SECONDS - before))
    fi
}

build_tested() {
    build_into plain -Dbuildtype=debugoptimized -Dwerror=true
    build_into sanitized -Dbuildtype=debugoptimized -Dwerror=true -Db_lundef=false \
        -Db_sanitize=address,undefined
}

build_threads() {
    build_into threads -Dbuildtype=debugoptimized -Dwerror=true -Db_lundef=false \
        -Db_sanitize=thread
}

layout() {
    local status=0
    git ls-files -z '*.c' '*.h' | xargs -0 -r clang-format --dry-run --Werror || status=1
    git ls-files -z | xargs -0 grep -lZ -m1 -E '^#!/bin/(ba)?sh' -- |
        xargs -0 -r shellcheck -x || status=1
    return $status
}

# The programs' own sources, as build/plain compiles them.
tidy() {
    local log=build/tidy.log
    run-clang-tidy -quiet -p build/plain '^(?!.*(_test\.c|/build/))' >"$log" 2>&1 && return
    grep -A 4 -E '(warning|error):' "$log"
    return 1
}

# Starts the MongoDB that the unit tests of storage/ talk to, unless MONGODB_URI names one.
start_mongo() {
    tests/mongo_server.sh install
    [ -z "${MONGODB_URI:-}" ] || return 0
    local port
    port=$(PYTHONPATH=tests PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -c \
        'from machine import free_port; print(free_port())')
    mongo_data=$(mktemp -d)
    tests/mongo_server.sh run --port "$port" --data "$mongo_data" >"$reports/mongo.log" 2>&1 &
    mongo_pid=$!
    trap stop_mongo EXIT
    for _ in $(seq 300); do
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
        sleep 0.1
    done
    unit_uri=$(tests/mongo_server.sh uri --port "$port")
}

stop_mongo() {
    [ -n "${mongo_pid:-}" ] || return 0
    kill "$mongo_pid" 2>/dev/null || true
    wait "$mongo_pid" 2>/dev/null || true
    rm -rf "$mongo_data"
    mongo_pid=
}

unit() { # folder meson's-setup-or-nothing args…
    local folder=$1 setup=$2 status=0 memory=/dev/shm # what kills a process leaves files in memory
    shift 2
    [ -w $memory ] || memory=/tmp
    env TMPDIR=$memory MONGODB_URI="${unit_uri:-${MONGODB_URI:-}}" \
        ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
        TSAN_OPTIONS="halt_on_error=1:suppressions=$PWD/tests/tsan.supp" \
        meson test -C "build/$folder" --no-rebuild --print-errorlogs ${setup:+--setup "$setup"} \
        "$@" || status=1
    cp "build/$folder/meson-logs/testlog${setup:+-$setup}.junit.xml" \
        "$reports/unit-${setup:-$folder}.xml" || status=1
    return $status
}

run_pytest() { # folder report paths and args…
    local folder=$1 report=$2
    shift 2
    env HEADCOUNT_BUILD="$PWD/build/$folder" PYTHONDONTWRITEBYTECODE=1 \
        /usr/bin/python3 -m pytest -c tests/pytest.ini --rootdir tests \
        --junitxml "$reports/$report.xml" "$@"
}

lints() {
    suite 'layout of the sources' layout
    suite 'clang-tidy' tidy
}

units() {
    start_mongo
    suite 'unit tests' unit plain '' "$@"
    suite 'unit tests, sanitized' unit sanitized '' "$@"
    [ $# -gt 0 ] || suite 'unit tests, valgrind' unit plain valgrind
    stop_mongo
    [ $# -gt 0 ] || suite 'protocol vectors, hardening' run_pytest plain vectors -q tests/unit
}

# ThreadSanitizer where there are threads: the writers of store and sampler, the api's many, and
# what all of them share (metrics, storage).
threads() {
    build_threads
    start_mongo
    suite 'unit tests, threads' unit threads '' metrics storage api_snapshot_stream
    stop_mongo
    suite 'journeys, threads' run_pytest threads journey-threads -n "$at_once" \
        tests/journey/test_{store,spool,outbox,backend,api,api_alone,rotation}.py "$@"
}

fuzzers() {
    build_fuzzers
    suite 'fuzz targets, sanitized' run_pytest fuzz fuzz -q -n 2 tests/fuzz "$@"
}

# Journeys wait more than they work: several at a time, each in folders and on ports of its own.
journeys() {
    suite 'journeys' run_pytest plain journey -n "$at_once" tests/journey "$@"
    # The true tempo, two minutes of waiting, is for once.
    suite "journeys, sanitized" run_pytest sanitized journey-sanitized -n "$at_once" \
        tests/journey --ignore tests/journey/test_true_tempo.py "$@"
}

browsers() {
    suite 'pages in Chromium' run_pytest plain browser -n 2 tests/browser "$@"
}

attacks() {
    suite 'attacks' run_pytest plain attack -n 3 tests/attack "$@"
    suite 'attacks, sanitized' run_pytest sanitized attack-sanitized -n 3 tests/attack "$@"
}

# The cluster's referee wants the machine for itself; the ledgers go side by side.
faults() {
    if [ $# -gt 0 ]; then
        suite 'faults of real processes' run_pytest plain fault tests/fault "$@"
        return
    fi
    suite 'faults of real processes' run_pytest plain fault tests/fault --ignore tests/fault/test_ledger.py
    suite 'ledgers' run_pytest plain ledger -n 3 tests/fault/test_ledger.py
}

part=${1:-all}
[ $# -eq 0 ] || shift
case $part in
all | lint | unit | threads | fuzz | journey | browser | attack | fault) ;;
*) die 100 "test: no such part: $part; see ./dev help" ;;
esac

need_packages build demo test
case $part in
fuzz | threads) ;;
*) build_tested ;;
esac
rm -rf "$reports"
mkdir -p "$reports"
case $part in
all)
    lints
    units
    threads
    fuzzers
    journeys
    browsers
    attacks
    faults
    ;;
lint) lints ;;
unit) units "$@" ;;
threads) threads "$@" ;;
fuzz) fuzzers "$@" ;;
journey) journeys "$@" ;;
browser) browsers "$@" ;;
attack) attacks "$@" ;;
fault) faults "$@" ;;
esac

printf '\n%d s in all\n' $((SECONDS - started))
/usr/bin/python3 tools/dev/sum_up.py "$failed" "$reports"
