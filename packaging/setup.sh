#!/bin/sh
# Makes .venv from packaging/dev.lock and installs edged into it, editable. `make setup` calls it when needed.
#
# Needs a Python 3.11 to 3.13 (the first that fits of $PYTHON, python3, python3.13, ...) and a way to make a
# virtual environment: its own venv, else its pip, else, on Debian, the permission to install packages.
set -eu
cd "$(dirname "$0")/.."
. packaging/apt.sh
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

main() {
    python=$(find_python) || fail "edged needs Python 3.11, 3.12 or 3.13, and none is on PATH.
Install one, or name it: make setup PYTHON=/path/to/python3.12"
    if ! fits .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        say "making .venv with $("$python" --version)"
        make_venv
    fi
    say "installing the locked packages; the first time about 450 MB travel"
    install_locked packaging/dev.lock
    .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
    touch .venv/.installed # what make compares with the lock
    say "done: .venv/bin/edged"
}

find_python() {
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        if fits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

fits() { # is $1 a Python that runs and is of a version that edged is tested with?
    [ -n "$1" ] && "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

make_venv() {
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    with_venv || with_virtualenv || { apt_install "python$version-venv" && with_venv; } || fail \
        "$python can make no virtual environment: it has neither venv nor pip.
Run: sudo apt-get install python$version-venv
then the same make command again."
}

with_venv() { # Debian's python3 has venv, but without python3-venv it has nothing to put a pip in with
    "$python" -m venv --clear .venv >/dev/null 2>&1
}

with_virtualenv() {
    "$python" -m pip --version >/dev/null 2>&1 || return 1
    say "this Python has no venv: fetching virtualenv with its pip"
    "$python" -m pip install --quiet --require-hashes --target .venv-bootstrap --upgrade \
        -r packaging/bootstrap.lock &&
        PYTHONPATH=.venv-bootstrap "$python" -m virtualenv --quiet --clear --no-download .venv
}

install_locked() { # one line a download; the last line of the braces is there only when pip succeeded
    {
        .venv/bin/python -m pip install --progress-bar off --require-hashes -r "$1" && echo complete
    } | {
        result=1
        while read -r word rest; do
            case $word in
                Downloading) say "  $rest" ;;
                Installing) say "unpacking" ;;
                complete) result=0 ;;
            esac
        done
        exit $result
    }
}

main
