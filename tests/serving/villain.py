"""A plugin that does harm when it is told to, by the first pixel of a picture; else it classifies."""

import ctypes
import os

import numpy as np

from edged import Classification, Prepared, SinglePassModel, StreamModel, VoiceActivity, hookimpl

SEGFAULT, EXIT, LOOP, EAT, NONSENSE, PID, RAISE = 1, 2, 3, 4, 5, 6, 7


class Villain(SinglePassModel):
    """Harmful by choice."""

    def preprocess(self, item, options):
        asked = int(item.part((0, 0, 1, 1)).pixels(self.card.picture().format)[0, 0, 0])
        if asked == SEGFAULT:
            ctypes.string_at(0)
        if asked == EXIT:
            os._exit(0)
        while asked == LOOP:
            pass
        hoard = []
        while asked == EAT:
            hoard.append(os.urandom(1 << 20) * 32)
        if asked == RAISE:
            raise ZeroDivisionError("as it was told")
        return Prepared({"pictures": item.pixels(self.card.picture().format)[None]}, asked)

    def postprocess(self, outputs, context, options):
        if context == NONSENSE:
            return "an answer"
        names = [str(os.getpid()), "b", "c", "d"] if context == PID else self.card.class_names()
        return Classification(np.asarray(outputs["scores"][0]), names)


class Counter(StreamModel):
    """Says how much sound it has heard."""

    def start(self, options):
        return 0.0

    def step(self, chunk, state, options, tools, run):
        run.check()
        run.progress(0.5)
        heard = state + float(chunk.samples.sum())
        if heard < 0:
            os._exit(1)
        return VoiceActivity(np.array([heard], np.float32)), heard


@hookimpl
def register_models(register):
    register(Villain, "card.yaml")
    register(Counter, "counter.yaml")
