"""Damage to files, the same for the same number: to bytes, to fields of ONNX messages, to zip entries, to JSON."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import onnx

INTEGERS = (-1, 0, 1, 2, 3, 7, 8, 10**6, 10**9, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))
FLOATS = (0.0, -0.0, -1.0, 1e-45, 1e-30, 3.4e38, float("inf"), float("-inf"), float("nan"), 0.5, 255.0)
NUMBERS = {"i", "ints", "f", "floats", "raw_data", "dims", "dim_value"}
"""Fields of attributes, tensors and shapes."""
WORDS = ("", "x", "..", "../../etc/passwd", "a" * 3000, "\n", "NHWC", "VALID", "SAME_UPPER", "CEIL", "INT8", "\u2028")


def damaged_bytes(data: bytes, random: Random) -> bytes:
    """One to four edits: bits flipped, a part cut out, doubled, overwritten or moved, the end cut off."""
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        size = max(1, len(out))
        start, length = random.randrange(size), random.choice((1, 2, 4, 16, 256))
        edit = random.randrange(6)
        if edit == 0 and out:
            out[start] ^= 1 << random.randrange(8)
        elif edit == 1:
            del out[start : start + length]
        elif edit == 2:
            out[start:start] = out[start : start + length]
        elif edit == 3:
            out[start : start + length] = random.choice((b"\0", b"\xff", b"\x80")) * min(length, len(out) - start)
        elif edit == 4:
            place = random.randrange(size)
            out[start : start + length] = out[place : place + length]
        else:
            del out[start:]
    return bytes(out)


def damaged_onnx(data: bytes, random: Random) -> bytes:
    """One or two fields changed, so that the message itself can still be read."""
    model = onnx.ModelProto()
    model.ParseFromString(data)
    for _ in range(random.choice((1, 1, 1, 2))):
        fields = [(m, f) for m in _messages(model) for f, _ in m.ListFields()]
        if random.random() < 0.5:  # half of the edits to numbers, after which most files still are networks
            fields = [(m, f) for m, f in fields if f.name in NUMBERS] or fields
        message, field = random.choice(fields)
        if field.is_repeated:
            _damage_list(getattr(message, field.name), field, random, model)
        elif field.message_type is not None:
            message.ClearField(field.name)
        else:
            setattr(message, field.name, _other(getattr(message, field.name), field, random, model))
    return bytes(model.SerializeToString())


def _messages(message: Any) -> Iterator[Any]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                yield from _messages(part)


def _damage_list(values: Any, field: Any, random: Random, model: Any) -> None:
    place, edit = random.randrange(len(values)), random.randrange(4)
    if edit == 0:
        del values[place]
    elif edit == 1 and field.message_type is not None:
        values.add().CopyFrom(random.choice(values))
    elif edit == 1:
        values.append(values[place])
    elif edit == 2 and field.message_type is not None:
        values[place].CopyFrom(random.choice(values))
    elif field.message_type is None:
        values[place] = _other(values[place], field, random, model)
    else:
        values[place].Clear()


def _other(value: Any, field: Any, random: Random, model: Any) -> Any:
    """Another value of the same type that still fits into its field."""
    if isinstance(value, bool):
        return not value
    if field.enum_type is not None:
        return random.choice(list(field.enum_type.values_by_number))
    if isinstance(value, int):
        known = [v for v in (*INTEGERS, value + 1, value - 1) if -(2**63) <= v < 2**63]
        fits = [v for v in known if abs(v) < 2**31 or field.cpp_type == field.CPPTYPE_INT64]
        return random.choice([v for v in fits if v >= 0 or field.cpp_type != field.CPPTYPE_UINT64])
    if isinstance(value, float):
        return random.choice((*FLOATS, -value, value * 2))
    if isinstance(value, str):
        names = [name for node in model.graph.node for name in (*node.input, *node.output, node.op_type)]
        return random.choice((*WORDS, *names)) if names else random.choice(WORDS)
    return _other_numbers(value, random)


def _other_numbers(data: bytes, random: Random) -> bytes:
    """Raw data with one special float in it, or damaged."""
    if len(data) < 4 or random.random() < 0.4:
        return damaged_bytes(data, random)
    place = random.randrange(len(data) // 4) * 4
    return data[:place] + struct.pack("<f", random.choice(FLOATS)) + data[place + 4 :]


def damaged_zip(data: bytes, random: Random) -> bytes:
    """One entry damaged, left out, doubled, renamed, exchanged or compressed; checksums fit, so the edit is reached."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = [(info.filename, archive.read(info)) for info in archive.infolist()]
    place, edit, packed = random.randrange(len(entries)), random.randrange(9), zipfile.ZIP_STORED
    name, content = entries[place]
    if edit == 0:
        del entries[place]
    elif edit == 1:
        entries.insert(random.randrange(len(entries)), (name, damaged_bytes(content, random)))
    elif edit == 2:
        entries[place] = (random.choice((f"../{name}", f"/{name}", name.upper(), "")), content)
    elif edit == 3:
        other = random.randrange(len(entries))
        entries[place], entries[other] = (name, entries[other][1]), (entries[other][0], content)
    elif edit == 4:
        packed = zipfile.ZIP_DEFLATED
    elif edit < 7 and any(n.endswith(".json") for n, _ in entries):
        place = random.choice([p for p, (n, _) in enumerate(entries) if n.endswith(".json")])
        entries[place] = (entries[place][0], damaged_json(entries[place][1], random))
    else:
        entries[place] = (name, damaged_bytes(content, random))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packed) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are doubled on purpose
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, packed)
    return buffer.getvalue()


def damaged_json(data: bytes, random: Random) -> bytes:
    """A document with one or two values changed, left out, doubled or exchanged."""
    document = json.loads(data)
    for _ in range(random.choice((1, 1, 2))):
        places = list(_places(document))
        if not places:
            break
        holder, key = random.choice(places)
        other_holder, other_key = random.choice(places)
        edit = random.randrange(5)
        if edit == 0:
            del holder[key]
        elif edit == 1:
            holder[key] = json.loads(json.dumps(other_holder[other_key]))
        elif edit == 2 and isinstance(holder, list):
            holder.insert(key, holder[key])
        else:
            holder[key] = random.choice((*INTEGERS, *WORDS, None, True, [], {}, 0.5, float("nan"), [[[]]]))
    return json.dumps(document).encode()


def _places(item: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ():
        yield item, key
        yield from _places(value)


def damaged_safetensors(data: bytes, random: Random) -> bytes:
    """Its JSON header changed, the length before it right."""
    (length,) = struct.unpack("<Q", data[:8])
    header = damaged_json(data[8 : 8 + length], random)
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


STRUCTURED: dict[str, Callable[[bytes, Random], bytes]] = {
    ".onnx": damaged_onnx,
    ".pt2": damaged_zip,
    ".pt": damaged_zip,
    ".npz": damaged_zip,
    ".safetensors": damaged_safetensors,
}


def damaged(data: bytes, suffix: str, number: int) -> bytes:
    """The file's `number`-th damage: a third to the bytes, the rest to what they mean."""
    random = Random(number)
    return damaged_bytes(data, random) if number % 3 == 0 else STRUCTURED[suffix](data, random)
