#!/bin/sh
# What the tests need beside Python: a broker, an RTSP server, a browser (which also brings a GPU in software),
# Vulkan's loader, a sound server with microphones, libfaketime, by which the clock steps, and Prometheus. Installs it
# where that is allowed, else names it. Tests that need npm are left out, with the reason, where it is missing.
# Of these, a box with a microphone needs libportaudio2, and libasound2-plugins where PulseAudio is.
#
# `long`: also what `make test-long` needs to make a Debian below a folder, install the package there, and build and
# run the image.
#
# On a desktop with PipeWire, PulseAudio would take its place: there it is not installed, and its tests are left out.
#
# Debian starts a broker with the package, on port 1883, and Prometheus on 9090. The tests start their own on other
# ports, and a box that had none should not get one from running tests: a policy-rc.d, there only while apt-get
# runs, keeps them from being started. One that is there already is left alone.
set -eu
cd "$(dirname "$0")/.."
. packaging/apt.sh

PATH=$PATH:/usr/sbin:/usr/local/sbin # where Debian puts mosquitto
policy=/usr/sbin/policy-rc.d
RTSP="python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
gstreamer1.0-plugins-bad"

main() {
    wanted=
    has mosquitto || wanted="$wanted mosquitto"
    has prometheus || wanted="$wanted prometheus"
    has openssl || wanted="$wanted openssl"
    { has chromium && has chromedriver; } || wanted="$wanted chromium chromium-driver"
    ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || wanted="$wanted libfaketime"
    serves_rtsp || wanted="$wanted $RTSP"
    hears || wanted="$wanted libportaudio2 libasound2-plugins"
    /sbin/ldconfig -p | grep -q libvulkan.so.1 || wanted="$wanted libvulkan1"
    has pipewire || { has pulseaudio && has pactl; } || wanted="$wanted pulseaudio pulseaudio-utils"
    [ "${1:-}" != long ] || has debootstrap || wanted="$wanted debootstrap"
    [ "${1:-}" != long ] || has dpkg-deb || wanted="$wanted dpkg-dev"
    [ "${1:-}" != long ] || { has podman && has runc; } || wanted="$wanted podman runc"
    [ -n "$wanted" ] || return 0
    # shellcheck disable=SC2086 # a list of words
    if ! install_unstarted $wanted; then
        fail "the tests need some packages. Run: sudo apt-get install$wanted
then make test again."
    fi
    case $wanted in *mosquitto*)
        say "mosquitto is installed and was not started; as a service it starts with the next boot, unless:" \
            "sudo systemctl disable mosquitto"
        ;;
    esac
    case $wanted in *prometheus*)
        say "prometheus is installed and was not started; likewise: sudo systemctl disable prometheus"
        ;;
    esac
}

has() { command -v "$1" >/dev/null; }

serves_rtsp() { # GStreamer's RTSP server, which the tests drive with the system's own Python
    /usr/bin/python3 - >/dev/null 2>&1 <<'END'
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
raise SystemExit(not all(map(Gst.ElementFactory.find, ["multifilesrc", "h264parse", "h265parse", "rtph264pay"])))
END
}

hears() { # PortAudio, and ALSA's way to PulseAudio
    /sbin/ldconfig -p | grep -q libportaudio.so.2 &&
        ls /usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so >/dev/null 2>&1
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

main "$@"
