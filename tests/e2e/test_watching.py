"""A daemon that watches a camera: a rolling window of a real video through real weights."""

from edged.contracts.message import StreamMessage
from tests.broker import free_port, until
from tests.e2e.box import ROOT, running
from tests.opened import install

TOPIC = "edged/box/stream/kitchen/video-classification"


def test_what_happens_before_a_camera_is_told_when_it_changes(models_root, media, client, tmp_path):
    config, port = tmp_path / "config.yaml", free_port()
    config.write_text(f"""
node: box
paths: {{models: {models_root}}}
mqtt: {{url: embedded, embedded_port: {port}}}
http: {{listen: null}}
streams:
  kitchen:
    source: {media("pizza.mp4")}
    loop: true
    gate: {{fps: null}}
    run: [{{video-classification: {{publish: {{on: change}}}}}}]
""")
    install(ROOT, "i3d-kinetics400", models=models_root)
    with running(config, port, "box", "--quiet") as box:
        listener = client(port, "edged/box/stream/#", "edged/box/health")
        until(lambda: listener.on(TOPIC), "what happens")
        message = StreamMessage.model_validate_json(listener.on(TOPIC)[0].payload)
        assert (message.result["class"], message.result["taxonomy"]) == ("making pizza", "kinetics400")
        assert message.model.name == "i3d-kinetics400"
        assert message.frame is not None
        assert message.frame.seq >= 15
        assert box.stop() == 0
