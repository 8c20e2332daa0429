"""The state of a Python object as plain values of JSON: without pickles, and so that nothing but river is made anew.

An object becomes a table of nodes: containers, random generators and objects of river by their fields, with references
between them, so that what is shared stays shared. Reading makes only objects whose class river itself defines, and
containers of the standard library; it calls none of their methods. Floats keep their bits, because JSON of Python
writes the shortest text that reads back the same.
"""

import functools
import importlib
import types
from collections import Counter, OrderedDict, UserList, defaultdict, deque
from typing import Any

import numpy as np

from models.contract import ModelError, StateError

_random = importlib.import_module("random")
_PLAIN = (type(None), bool, int, float, str)
_TYPES: dict[str, type] = {kind.__name__: kind for kind in (tuple, list, dict, float, int, bool, str, set)}
Nodes = list[Any]


def _is_of_river(kind: type) -> bool:
    return kind.__module__ == "river" or kind.__module__.startswith("river.")


def _class_name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _class_named(name: str) -> type:
    module, _, qualname = name.partition(":")
    if not (module == "river" or module.startswith("river.")):
        raise StateError(f"The saved state names a class {name!r}, which is not river's. It was altered; learn again.")
    found: Any = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or not _is_of_river(found):
        raise StateError(f"The saved state names a class {name!r} that this river does not have. Learn again.")
    return found


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of an object, from its dictionary and its slots."""
    fields = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                fields[name] = getattr(value, name)
    return fields


class _Writer:
    def __init__(self) -> None:
        self.nodes: Nodes = []
        self._number: dict[int, int] = {}
        self._kept: list[Any] = []

    def write(self, value: Any) -> Any:
        """A plain value as it is; anything else as ``[number]`` of its node."""
        if isinstance(value, _PLAIN) and type(value) in _PLAIN:
            return value
        if isinstance(value, np.generic):
            value = value.item()
            return value
        if id(value) not in self._number:
            self._number[id(value)] = len(self.nodes)
            self._kept.append(value)
            number = len(self.nodes)
            self.nodes.append(None)
            self.nodes[number] = self._node(value)
        return [self._number[id(value)]]

    def _many(self, values: Any) -> list[Any]:
        return [self.write(value) for value in values]

    def _node(self, value: Any) -> Any:
        kind = type(value)
        if kind in (list, tuple, set):
            return [kind.__name__, self._many(value)]
        if kind is deque:
            return ["deque", self._many(value), value.maxlen]
        if kind in (dict, OrderedDict, Counter):
            return [kind.__name__, [self._many(item) for item in value.items()]]
        if kind is defaultdict:
            return ["defaultdict", [self._many(item) for item in value.items()], self.write(value.default_factory)]
        if kind is functools.partial:
            return ["partial", self.write(value.func), self.write(value.args), self.write(value.keywords)]
        if kind is np.ndarray:
            return ["array", value.dtype.str, list(value.shape), self._many(value.ravel().tolist())]
        if kind is _random.Random:
            version, words, gauss = value.getstate()
            return ["random", version, list(words), gauss]
        if isinstance(value, type) and _TYPES.get(value.__name__) is value:
            return ["type", value.__name__]
        if isinstance(value, types.MethodType):
            return ["method", self.write(value.__self__), value.__func__.__name__]
        if isinstance(value, type) and _is_of_river(value):
            return ["class", _class_name(value)]
        if _is_of_river(kind) and hasattr(value, "to_dict") and hasattr(value, "with_mask"):
            return ["weights", _class_name(kind), [self._many(item) for item in value.to_dict().items()]]
        fields = fields_of(value)
        if _is_of_river(kind) and (fields or "_river_rust" not in kind.__module__):
            return ["object", _class_name(kind), [[name, self.write(each)] for name, each in fields.items()]]
        raise ModelError(
            f"A {_class_name(kind)} cannot be saved without a pickle. Use a detector whose state river keeps in Python."
        )


def write(value: Any) -> dict[str, Any]:
    """``value`` as plain values of JSON.

    Raises:
        ModelError: It holds something whose state cannot be read from outside, such as a compiled object.

    >>> read(write({"counts": (1, 2.5), "names": ["a"]}))
    {'counts': (1, 2.5), 'names': ['a']}
    """
    writer = _Writer()
    root = writer.write(value)
    return {"root": root, "nodes": writer.nodes}


class _Reader:
    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self._made: dict[int, Any] = {}

    def read(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        (number,) = value
        if number not in self._made:
            self._make(number)
        return self._made[number]

    def _pairs(self, pairs: list[Any]) -> list[tuple[Any, Any]]:
        return [(self.read(key), self.read(value)) for key, value in pairs]

    def _make(self, number: int) -> None:
        """Make a node's value. Containers that can contain themselves are known before they are filled."""
        kind, *rest = self.nodes[number]
        made = self._made
        if kind == "list":
            filled: list[Any] = []
            made[number] = filled
            filled.extend(self.read(value) for value in rest[0])
        elif kind in ("tuple", "set"):
            made[number] = _TYPES[kind](self.read(value) for value in rest[0])
        elif kind == "deque":
            queue: deque[Any] = deque(maxlen=rest[1])
            made[number] = queue
            queue.extend(self.read(value) for value in rest[0])
        elif kind in ("dict", "OrderedDict", "Counter"):
            made[number] = table = {"dict": dict, "OrderedDict": OrderedDict, "Counter": Counter}[kind]()
            for key, value in self._pairs(rest[0]):
                table[key] = value
        elif kind == "defaultdict":
            made[number] = table = defaultdict()
            table.default_factory = self.read(rest[1])
            for key, value in self._pairs(rest[0]):
                table[key] = value
        elif kind == "partial":
            made[number] = functools.partial(self.read(rest[0]), *self.read(rest[1]), **self.read(rest[2]))
        elif kind == "array":
            values = [self.read(value) for value in rest[2]]
            made[number] = np.array(values, np.dtype(rest[0])).reshape(rest[1])
        elif kind == "random":
            made[number] = generator = _random.Random()
            generator.setstate((rest[0], tuple(rest[1]), rest[2]))
        elif kind == "type":
            made[number] = _TYPES[rest[0]]
        elif kind == "class":
            made[number] = _class_named(rest[0])
        elif kind == "method":
            made[number] = types.MethodType(getattr(type(self.read(rest[0])), rest[1]), self.read(rest[0]))
        elif kind == "weights":
            made[number] = _class_named(rest[0])(dict(self._pairs(rest[1])))
        elif kind == "object":
            of_class: Any = _class_named(rest[0])
            made[number] = new = (
                UserList.__new__(of_class) if issubclass(of_class, UserList) else object.__new__(of_class)
            )
            for name, value in rest[1]:
                object.__setattr__(new, name, self.read(value))
        else:
            raise StateError(
                f"The saved state has a node of kind {kind!r}. It was written by another release; learn again."
            )


def read(written: dict[str, Any]) -> Any:
    """The value that :func:`write` wrote.

    Raises:
        StateError: It names a class that is not river's.
    """
    return _Reader(written["nodes"]).read(written["root"])
