"""A real RTSP server, GStreamer's, for `cameras.RtspServer`. It runs under the system's Python, which has gi.

`rtsp_server.py PORT basic|digest USER PASSWORD /PATH=FILE+FILE ...` plays elementary streams side by side for
ever: `.h264` or `.h265` at 25 frames a second, `.aac`; pictures say that no time passes. An `.mp4` of H.264
and AAC is played once for everybody, with the times that it has. `FILE~.5` loses half of its packets, at
random. An empty USER asks for none. It prints `ready`.
"""

import random
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

VIDEO = (
    "multifilesrc location={file} loop=true caps=video/x-{kind},stream-format=byte-stream,framerate=25/1 "
    "! {kind}parse config-interval=1 ! identity sync=true ! rtp{kind}pay name=pay{number} pt={payload} "
)
SOUND = (
    "multifilesrc location={file} loop=true caps=audio/mpeg,mpegversion=4,stream-format=adts "
    "! aacparse ! identity sync=true ! rtpmp4gpay name=pay{number} pt={payload} "
)
FILM = (
    "filesrc location={file} ! qtdemux name=film "
    "film.video_0 ! queue ! h264parse config-interval=1 ! rtph264pay name=pay0 pt=96 "
    "film.audio_0 ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97 "
)


def launch(files: str) -> str:
    """The pipeline that plays some files side by side."""
    if files.endswith(".mp4"):
        return f"( {FILM.format(file=files)})"
    tracks = []
    for number, file in enumerate(files.split("+")):
        kind = file.rpartition(".")[2]
        track = SOUND if kind == "aac" else VIDEO
        tracks.append(track.format(file=file, kind=kind, number=number, payload=96 + number))
    return f"( {''.join(tracks)})"


def main(port: str, method: str, user: str, password: str, *mounts: str) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=port)
    for mount in mounts:
        path, _, played = mount.partition("=")
        files, _, lost = played.partition("~")
        factory = GstRtspServer.RTSPMediaFactory(shared=True)
        factory.set_launch(launch(files))
        if lost:
            factory.connect("media-configure", lose, float(lost))
        if user:
            allow(factory, user)
        server.get_mount_points().add_factory(path, factory)
    if user:
        server.set_auth(auth(method, user, password))
    if not server.attach(None):
        sys.exit(f"port {port} is taken")
    print("ready", flush=True)
    GLib.MainLoop().run()


def lose(_factory, media, share):
    """So much of what the payloader sends gets lost on the way, at random."""
    chance = random.Random(3)

    def probed(pad, info):
        if info.type & Gst.PadProbeType.BUFFER:
            return Gst.PadProbeReturn.DROP if chance.random() < share else Gst.PadProbeReturn.OK
        packets = info.get_buffer_list()  # of one picture
        for at in range(packets.length()):
            if chance.random() >= share:
                pad.get_peer().chain(packets.get(at).copy())
        return Gst.PadProbeReturn.DROP

    kinds = Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST
    media.get_element().get_by_name("pay0").get_static_pad("src").add_probe(kinds, probed)


def allow(factory, user):
    """Only this user may see and play it; for others it answers 401."""
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role(user, "media.factory.access", True)
    permissions.add_permission_for_role(user, "media.factory.construct", True)
    factory.set_permissions(permissions)


def auth(method, user, password):
    """Who may watch; Basic shows the password to the network, Digest a hash of it."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", user)
    known = GstRtspServer.RTSPAuth()
    if method == "basic":
        known.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    else:
        known.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        known.add_digest(user, password, token)
    return known


main(*sys.argv[1:])
