# shellcheck shell=sh
# Sourced by the scripts beside it: how they speak, and how they install Debian packages.

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# May we install Debian packages without asking: as root, or by sudo without a password? Sets $as_root.
may_install() {
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" = 0 ]; then as_root=; else as_root=sudo; fi
    [ -z "$as_root" ] || sudo -n true 2>/dev/null
}

apt_install() {
    may_install || return 1
    say "installing $* with apt-get"
    apt_get install "$@" || { apt_get update && apt_get install "$@"; }
}

# shellcheck disable=SC2086 # $as_root is a word or nothing
apt_get() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends "$@" \
        >/dev/null </dev/null
}
