"""The journal learns that answers have arrived, if later than it could."""

from edged.flow.counters import Counters
from edged.mqtt.outgoing import Outgoing
from edged.mqtt.sender import _Rows


class FullDisk:
    """A journal that cannot be written at first."""

    def __init__(self):
        self.full = True
        self.told = []

    def done(self, rows, over):
        if self.full:
            return False
        self.told.append((list(rows), list(over)))
        return True

    def tend(self):
        """Nothing is old."""


def test_what_arrives_while_the_disk_is_full_is_noted_when_it_has_room():
    journal = FullDisk()
    rows = _Rows(journal, Counters())
    rows.done(Outgoing("a", b"1", "answer", 1, row=1))
    rows.hand_in(0.0)
    rows.done(Outgoing("a", b"2", "answer", 1, row=2), over=True)
    rows.hand_in(1.0)
    journal.full = False
    rows.hand_in(2.0)
    rows.hand_in(3.0)
    assert journal.told == [([1], [2])]
