"""Networks by name: ``build("mognet:n=128,g=4,k=3")`` gives a trainable torch module.

The text form is ``NAME:key=value,key=value``; keys left out take the defaults of the network's
argument dataclass. Reading and checking such a text needs no torch: only `build` imports it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from .arguments import MdgnetArgs, MognetArgs, NetArgumentError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NETS", "MdgnetArgs", "MognetArgs", "NetArgumentError", "NetEntry", "build", "net_arguments", "parse_net"]


def _build_mdgnet(arguments: Any) -> nn.Module:
    from intinfer_converters.nets.mdgnet import Mdgnet

    return Mdgnet(arguments)


def _build_mognet(arguments: Any) -> nn.Module:
    from intinfer_converters.nets.mognet import Mognet

    return Mognet(arguments)


@dataclass(frozen=True)
class NetEntry:
    """A network of the registry.

    Attributes:
        arguments: its argument dataclass.
        builder: builds the module of such arguments.
        example: arguments to show in messages.
        weights, macs: what `cost --net` counts for the default arguments, so that the list needs no torch.
    """

    arguments: type[Any]
    builder: Callable[[Any], nn.Module]
    example: str
    weights: int
    macs: int


NETS: dict[str, NetEntry] = {
    "mdgnet": NetEntry(MdgnetArgs, _build_mdgnet, "f=32,k=4", 287_322, 58_399_578),
    "mognet": NetEntry(MognetArgs, _build_mognet, "n=128,k=3", 1_122_688, 210_976_768),
}


def parse_net(text: str) -> tuple[str, dict[str, int | str]]:
    """Split ``NAME:key=value,...`` into the name and the arguments that were written, typed.

    Needs no torch. Raises NetArgumentError for an unknown network, an unknown or repeated argument,
    or a value that is not of the argument's type; ranges are checked by `net_arguments`.

    >>> parse_net("mognet:n=32,pool=12")
    ('mognet', {'n': 32, 'pool': '12'})
    """
    name, colon, rest = text.strip().partition(":")
    if name not in NETS:
        raise NetArgumentError(
            f"unknown network {name!r}; known: {', '.join(sorted(NETS))}; write it as in mognet:n=128,g=4,k=3"
        )
    types: dict[str, Any] = {field.name: type(field.default) for field in fields(NETS[name].arguments)}
    values: dict[str, int | str] = {}
    for item in rest.split(",") if rest or colon else []:
        key, equals, value = (part.strip() for part in item.partition("="))
        if not (key and equals and value):
            raise NetArgumentError(
                f"{name}: {item!r} is not an argument; write key=value, as in {name}:{NETS[name].example}"
            )
        if key not in types:
            raise NetArgumentError(f"{name}: unknown argument {key!r}; known: {', '.join(types)}")
        if key in values:
            raise NetArgumentError(f"{name}: argument {key!r} is given twice ({values[key]} and {value}); keep one")
        if types[key] is int and not re.fullmatch(r"-?[0-9]{1,9}", value):
            raise NetArgumentError(f"{name}: {key}={value} is not a whole number; write digits, as in {key}=4")
        values[key] = types[key](value)
    return name, values


def net_arguments(text: str) -> tuple[str, Any]:
    """The network's name and its complete, checked argument dataclass. Needs no torch; raises NetArgumentError.

    >>> net_arguments("mognet:n=32")[1].stages
    ((1, True), (2, True), (4, True), (4, False))
    """
    name, values = parse_net(text)
    return name, NETS[name].arguments(**values)


def build(text: str) -> nn.Module:
    """The untrained torch module a text such as ``mognet:n=128,g=4,k=3`` names; raises NetArgumentError.

    Its input is raw pixels 0..255 as float (N, 3, H, W), its output float logits (N, classes). Its state_dict holds
    `net`, the bytes of `canonical(text)`: bits, pooling and image size leave no other trace in a checkpoint.
    """
    import torch

    name, arguments = net_arguments(text)
    module = NETS[name].builder(arguments)
    module.register_buffer("net", torch.tensor(list(canonical(text).encode()), dtype=torch.uint8))
    return module


def canonical(text: str) -> str:
    """The network text with every argument that decides what is computed; `seed` only drew what is stored.

    >>> canonical("mognet:k=2,n=32,seed=7")
    'mognet:n=32,g=4,k=2,classes=10,height=32,width=32,layout=1m-2m-4m-4,pool=123,last_bits=1'
    """
    name, arguments = net_arguments(text)
    pairs = [(field.name, getattr(arguments, field.name)) for field in fields(arguments) if field.name != "seed"]
    return f"{name}:" + ",".join(f"{key}={value}" for key, value in pairs)
