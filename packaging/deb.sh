#!/bin/sh
# Makes dist/edged_<version>_<architecture>.deb: edged with the wheels of packaging/run.lock in /opt/edged, its unit, a
# first configuration. `make deb` calls it, after `make setup`, on a Debian of the release that it is for: the package
# wants the Python of .venv (3.11 in Debian 12), and the architecture is this machine's.
#
# VERSION=x puts another version on the package than edged's own, DIST=x puts it elsewhere. Needs dpkg-deb.
set -eu
cd "$(dirname "$0")/.."
. packaging/apt.sh

python=.venv/bin/python
[ -x "${PYTHON:-}" ] && python=$PYTHON
site=build/deb/site

main() {
    command -v dpkg-deb >/dev/null || fail "make deb needs dpkg-deb, from the package dpkg-dev"
    series=$($python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    version=${VERSION:-$($python -c 'import edged; print(edged.__version__)')}
    architecture=$(dpkg --print-architecture)
    rm -rf build/deb/root build/deb/wheel
    fetch_locked
    lay_out build/deb/root
    describe build/deb/root
    mkdir -p "${DIST:=dist}"
    dpkg-deb --root-owner-group -Zzstd -z3 --build build/deb/root "$DIST/edged_${version}_$architecture.deb" >&2
    rm -rf build/deb/root build/deb/wheel
}

# The wheels that are locked, unpacked; kept until the lock or the Python changes.
fetch_locked() {
    stamp="$series $(sha256sum <packaging/run.lock)"
    [ "$(cat $site.made 2>/dev/null)" = "$stamp" ] && return
    say "unpacking the locked packages"
    rm -rf $site $site.made
    $python -m pip install --quiet --disable-pip-version-check --no-compile --only-binary :all: --require-hashes \
        --target $site -r packaging/run.lock
    rm -rf $site/bin $site/share $site/include
    echo "$stamp" >$site.made
}

lay_out() {
    packages=$1/opt/edged/lib/python$series/site-packages
    mkdir -p "${packages%/*}" "$1/opt/edged/bin" "$1/usr/bin"
    cp -al $site "$packages"
    $python -m hatchling build -t wheel -d build/deb/wheel >/dev/null 2>&1
    $python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --no-index \
        --target build/deb/wheel/site build/deb/wheel/*.whl
    rm -rf build/deb/wheel/site/bin build/deb/wheel/site/edged-*.dist-info/direct_url.json
    cp -a build/deb/wheel/site/. "$packages"
    # The code is compiled here, for in /opt nobody may write; it is right for its source without a look at its time.
    $python -m compileall -q -j 0 --invalidation-mode unchecked-hash -s "$1" -p / "$1/opt/edged/lib" >&2 || true

    printf 'home = /usr/bin\ninclude-system-site-packages = false\nversion = %s\n' "$series" >"$1/opt/edged/pyvenv.cfg"
    ln -s "/usr/bin/python$series" "$1/opt/edged/bin/python"
    printf '#!/opt/edged/bin/python\nimport sys\n\nfrom edged.cli import main\n\nsys.exit(main())\n' \
        >"$1/opt/edged/bin/edged"
    chmod 755 "$1/opt/edged/bin/edged"
    ln -s /opt/edged/bin/edged "$1/usr/bin/edged"

    install -D -m 644 packaging/edged.service "$1/usr/lib/systemd/system/edged.service"
    install -D -m 644 packaging/deb/config.yaml "$1/usr/share/edged/config.yaml"
    install -D -m 644 -t "$1/usr/share/doc/edged" packaging/deb/copyright config.yaml CHANGELOG.md README.md
    install -D -m 644 -t "$1/usr/share/doc/edged/docs" docs/*.md
    install -d -m 755 "$1/etc/edged"
    install -d -m 700 "$1/etc/edged/secrets"
}

describe() {
    install -D -m 755 -t "$1/DEBIAN" packaging/deb/postinst packaging/deb/prerm packaging/deb/postrm
    cat >"$1/DEBIAN/control" <<END_OF_CONTROL
Package: edged
Version: $version
Architecture: $architecture
Section: net
Priority: optional
Maintainer: the authors of edged <edged@localhost>
Installed-Size: $(du -sk --exclude=DEBIAN "$1" | cut -f1)
Pre-Depends: init-system-helpers
Depends: python$series, libc6 (>= $(wanted_libc)), libgcc-s1, libstdc++6, zlib1g
Recommends: ca-certificates, libportaudio2, python3-pip
Suggests: mosquitto, libasound2-plugins
Description: edge inference daemon: cameras and MQTT requests in, documented JSON out
 Serves models for pictures, sound and text on the devices of the box, over MQTT and HTTP, with its
 own Python environment in /opt/edged. It holds programs under the GPL: see the file copyright.
END_OF_CONTROL
}

# The newest glibc that one of the wheels was built for, by their tags.
wanted_libc() {
    { cat $site/*.dist-info/WHEEL | grep -o 'manylinux_[0-9]*_[0-9]*' | tr _ . | cut -d. -f2- && echo 2.17; } |
        sort -V | tail -1
}

main
