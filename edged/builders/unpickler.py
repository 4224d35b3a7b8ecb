"""Read a pickle without trusting it.

A pickle is a program. This is a machine for a part of its language: it imports nothing and calls nothing but
the few functions that it is given, none of which is the one that the pickle names. What comes out is plain:
dict, list, tuple, str, bytes, numbers and numpy arrays. Everything else is refused by name.

Protocols 0 to 5, those of Python 2 too. No class of `pickle` is used: its C machine reserves memory for
whatever index or length a file claims, and builds objects of whatever can be called.
"""

import io
import pickletools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from mmap import mmap
from types import MappingProxyType
from typing import IO, Any, cast

import numpy as np

from edged.builders.numpy_pickle import NUMPY, ArrayInTheMaking, DtypeInTheMaking

Calls = Mapping[str, Callable[..., Any] | None]
"""What is done in place of a function that a pickle names; none: it may be named, but not called."""

Persistent = Callable[[Any], Any]
"""Gives what a persistent id stands for."""

_PLAIN = (type(None), bool, int, float, str, bytes, np.ndarray)
_LITERALS = re.compile(
    "INT|BININT[12]?|LONG[14]?|FLOAT|BINFLOAT|STRING|(SHORT_)?BINSTRING|UNICODE|(SHORT_)?BINUNICODE|BINUNICODE8|"
    "(SHORT_)?BINBYTES|BINBYTES8|BYTEARRAY8"
)
_CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
_IN_THE_MAKING = (ArrayInTheMaking, DtypeInTheMaking)
_MARK = object()


@dataclass(frozen=True, slots=True)
class Name:
    """A function or class that the pickle names; it stays a name."""

    text: str


def _dict_of(pairs: Any = ()) -> dict[Any, Any]:
    return {_key(key): value for key, value in pairs} if isinstance(pairs, list) else {}


def _key(key: Any) -> Any:
    """Raise `ValueError` for keys that are not simple: hashing nested tuples would overflow the C stack."""
    if not isinstance(key, str | int | float | bytes):
        raise ValueError(f"a dict has a key of the kind {_kind(key)}")
    return key


_ADMITTED: Calls = {**NUMPY, "collections.OrderedDict": _dict_of}
"""What every pickle may name."""


def unpickled(
    file: mmap | io.BytesIO,
    size: int,
    calls: Calls = MappingProxyType({}),
    persistent: Persistent | None = None,
) -> Any:
    """The object of one pickle, read from where the file stands to the pickle's end.

    `size`: bytes of the file; `calls`: what may be named, beside numpy's arrays and `OrderedDict`. Raises
    `ValueError` that names what is refused, and what reading damaged bytes raises.
    """
    machine = _Machine({**_ADMITTED, **calls}, persistent, 2 * size)
    for code, argument, _ in pickletools.genops(cast("IO[bytes]", file)):
        machine.step(code.name, argument)
    if len(machine.stack) != 1:
        raise ValueError("it does not end with one object")
    (result,) = machine.stack
    _check_plain(result)
    return result


class _Machine:
    """Stack and memo of a pickle that is being read."""

    def __init__(self, calls: Calls, persistent: Persistent | None, room: int) -> None:
        """`room`: length of all that is copied, at most: a pickle may have a text copied a million times."""
        self.stack: list[Any] = []
        self._room = room
        self._calls = calls
        self._persistent = persistent
        self._memo: dict[int, Any] = {}

    def step(self, code: str, argument: Any) -> None:
        """Do one instruction."""
        if _LITERALS.fullmatch(code):
            self.stack.append(bytes(argument) if isinstance(argument, bytearray) else argument)
        elif code in _CONSTANTS:
            self.stack.append(_CONSTANTS[code]())
        elif code in _STEPS:
            _STEPS[code](self, argument)
        else:
            raise ValueError(f"it makes objects by {code}, which no array needs")

    def nothing(self, _: Any) -> None:
        """Headers and the end."""

    def mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def pop(self, _: Any) -> None:
        self.stack.pop()

    def copy_top(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def pop_to_mark(self, _: Any) -> list[Any]:
        """Everything above the last mark; the mark goes too."""
        above: list[Any] = []
        while (top := self.stack.pop()) is not _MARK:
            above.append(top)
        return above[::-1]

    def tuple_to_mark(self, _: Any) -> None:
        self.stack.append(tuple(self.pop_to_mark(None)))

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise ValueError("it takes more than it has")
        self.stack[len(self.stack) - count :] = [tuple(self.stack[len(self.stack) - count :])]

    def list_to_mark(self, _: Any) -> None:
        self.stack.append(self.pop_to_mark(None))

    def dict_to_mark(self, _: Any) -> None:
        items = self.pop_to_mark(None)
        self.stack.append({})
        self._set(items)

    def append(self, _: Any) -> None:
        self._extend([self.stack.pop()])

    def extend(self, _: Any) -> None:
        self._extend(self.pop_to_mark(None))

    def _extend(self, values: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise ValueError("it appends to something that is no list")
        self.stack[-1] += values

    def set_item(self, _: Any) -> None:
        value = self.stack.pop()
        self._set([self.stack.pop(), value])

    def set_items(self, _: Any) -> None:
        self._set(self.pop_to_mark(None))

    def _set(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not dict:
            raise ValueError("it sets an item of something that is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.stack[-1][_key(key)] = value

    def put(self, index: int | None) -> None:
        place = len(self._memo) if index is None else index
        self._memo[place] = top = self.stack[-1]
        if isinstance(top, _IN_THE_MAKING):
            top.memo.append(place)

    def get(self, index: int) -> None:
        self.stack.append(self._memo[index])

    def name(self, module_and_name: str) -> None:
        text = ".".join(module_and_name.split(" ", 1))
        if text not in self._calls:
            raise ValueError(f"it names {text}, which is no array and no plain container")
        self.stack.append(Name(text))

    def name_of_stack(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("it names something by what is no text")
        self.name(f"{module} {name}")

    def call(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        do = self._calls.get(function.text) if isinstance(function, Name) else None
        if do is None or not isinstance(arguments, tuple):
            raise ValueError(f"it calls {_kind(function)}")
        self._copies(arguments)
        self.stack.append(do(*arguments))

    def build(self, _: Any) -> None:
        """Give an object its state; that of a dict is what torch remembers beside it, which nobody needs."""
        state, unfinished = self.stack.pop(), self.stack[-1]
        if isinstance(unfinished, _IN_THE_MAKING):
            self._copies(state)
            self.stack[-1] = done = unfinished.with_state(state)
            self._memo.update(dict.fromkeys(unfinished.memo, done))
        elif not isinstance(unfinished, dict):
            raise ValueError(f"it gives a state to {_kind(unfinished)}")

    def _copies(self, values: Any) -> None:
        self._room -= sum(len(value) for value in values if isinstance(value, str | bytes | list))
        if self._room < 0:
            raise ValueError("it unpacks to far more than its own size")

    def persistent(self, text: str | None) -> None:
        if self._persistent is None:
            raise ValueError("it refers to something outside of itself by a persistent id")
        self.stack.append(self._persistent(self.stack.pop() if text is None else text))


_STEPS: Mapping[str, Callable[[_Machine, Any], Any]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), _Machine.nothing),
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_to_mark,
    "DUP": _Machine.copy_top,
    "TUPLE": _Machine.tuple_to_mark,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "LIST": _Machine.list_to_mark,
    "DICT": _Machine.dict_to_mark,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.extend,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name_of_stack,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
    **dict.fromkeys(("PERSID", "BINPERSID"), _Machine.persistent),
}


def _check_plain(result: Any) -> None:
    """Raise `ValueError` when names or half-made things are left; not recursive, as nesting has no bound."""
    todo, seen = [result], set()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, dict):
            todo += one.values()
        elif isinstance(one, list | tuple):
            todo += one
        elif not isinstance(one, _PLAIN):
            raise ValueError(f"it holds {_kind(one)}, which is no array and no plain container")


def _kind(one: Any) -> str:
    return one.text if isinstance(one, Name) else f"a {type(one).__name__}"
