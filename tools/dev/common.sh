# Shared by ./dev and its helpers; sourced with the repository's root as working directory.
# shellcheck shell=bash

die() { # status message
    printf 'dev: %s\n' "$2" >&2
    exit "$1"
}

say() {
    printf 'dev: %s\n' "$*" >&2
}

installed() {
    # shellcheck disable=SC2016  # dpkg's placeholder, not the shell's
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Puts the packages of the groups given that are not there into the array `missing`, and says what
# each is for.
find_missing() {
    local group name purpose wanted=" $* "
    missing=()
    while IFS='|' read -r group name purpose; do
        [[ $wanted == *" $group "* ]] || continue
        if ! installed "$name"; then
            missing+=("$name")
            printf '  %-24s %s\n' "$name" "$purpose" >&2
        fi
    done < <(grep -v '^#' tools/dev/packages.txt)
}

is_debian_12() {
    grep -qs '^ID=debian' /etc/os-release && grep -qs '^VERSION_ID="12"' /etc/os-release
}

# Installs what the groups (build, demo, test) need and what is not there yet.
need_packages() {
    local -a missing root=()
    [ -z "${HEADCOUNT_SKIP_PACKAGES:-}" ] || return 0
    find_missing "$@"
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! is_debian_12; then
        say "this system is not Debian 12, and the packages above were not found by their Debian"
        die 111 "names. Install what they hold, then set HEADCOUNT_SKIP_PACKAGES=1 and run again"
    fi
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            die 111 "neither root nor sudo; as root, run: apt-get install ${missing[*]}"
        root=(sudo)
    fi
    say "installing the packages above"
    run_apt "${root[@]}" -- "${missing[@]}"
}

run_apt() { # [sudo] -- packages
    local -a root=()
    while [ "$1" != -- ]; do
        root+=("$1")
        shift
    done
    shift
    local -a apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y
        -o DPkg::Lock::Timeout=300)
    if ! "${apt[@]}" update </dev/null >&2 ||
        ! "${apt[@]}" install --no-install-recommends "$@" </dev/null >&2; then
        die 111 "apt-get could not install: $*"
    fi
}

build_targets=() # of build_into(); none: all that is built by default

# Configures (once) and builds build/NAME with meson's options; says nothing when nothing is to do.
build_into() { # name options…
    local folder=build/$1 log stamp
    shift
    stamp="$PWD $*"
    mkdir -p build || die 111 "cannot make the folder build"
    log=$folder.log
    if [ ! -f "$folder/build.ninja" ] || [ "$(cat "$folder.stamp" 2>/dev/null)" != "$stamp" ]; then
        say "configuring $folder"
        rm -rf "$folder"
        meson setup "$folder" "$@" >"$log" 2>&1 || build_failed "$log"
        printf '%s' "$stamp" >"$folder.stamp"
    fi
    if ! ninja -C "$folder" -n "${build_targets[@]}" 2>/dev/null | grep -q 'no work to do'; then
        say "building $folder (the first time takes a minute or two)"
        ninja -C "$folder" "${build_targets[@]}" >"$log" 2>&1 || build_failed "$log"
    fi
}

build_fuzzers() {
    local -a build_targets=(fuzz)
    CC="$(command -v ccache || true) clang-14" build_into fuzz -Dfuzz=true -Dtests=false \
        -Dbuildtype=debug -Doptimization=1 -Db_lundef=false -Db_sanitize=address,undefined
}

build_failed() { # log
    tail -n 40 "$1" >&2
    die 111 "the build failed; the whole log: $1"
}
