#!/bin/sh
# What the tests need beside Python: mosquitto, the broker. Installs it where that is allowed, else names it.
#
# Debian starts a broker with the package, on port 1883. The tests start their own on other ports, and a box
# that had no broker should not get one from running tests: a policy-rc.d, there only while apt-get runs,
# keeps it from being started. One that is there already is left alone.
set -eu
cd "$(dirname "$0")/.."
. packaging/apt.sh

PATH=$PATH:/usr/sbin:/usr/local/sbin # where Debian puts mosquitto
policy=/usr/sbin/policy-rc.d

main() {
    if command -v mosquitto >/dev/null; then return; fi
    if ! install_unstarted mosquitto; then
        fail "the tests need mosquitto. Run: sudo apt-get install mosquitto, then make test again."
    fi
    say "mosquitto is installed and was not started; as a service it starts with the next boot, unless:" \
        "sudo systemctl disable mosquitto"
}

install_unstarted() {
    may_install || return 1
    if [ -e $policy ]; then
        apt_install "$@"
        return
    fi
    trap '$as_root rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
    $as_root chmod 755 $policy
    apt_install "$@"
}

main
