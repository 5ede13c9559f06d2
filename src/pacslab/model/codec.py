"""Frozen dataclasses <-> plain JSON values, both ways without loss."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import ipaddress
import json
import types
import typing
from functools import cache
from typing import Any, TypeVar, Union

T = TypeVar("T")

_TEXT = (
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
)


def encode(value: Any) -> Any:
    """Turn a value made of dataclasses, tuples, enums and addresses into JSON values.

    Raises:
        TypeError: The value holds something that has no JSON form here.
    """
    match value:
        case enum.Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case dt.datetime() | dt.date():
            return value.isoformat()
        case tuple() | list():
            return [encode(item) for item in value]
        case frozenset():
            return sorted(encode(item) for item in value)
        case dict():
            return {str(encode(key)): encode(item) for key, item in value.items()}
    if isinstance(value, _TEXT):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise TypeError(f"no JSON form for {type(value).__name__}")


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Write a value as one JSON text; equal values give equal text."""
    return json.dumps(encode(value), indent=indent, ensure_ascii=False)


def loads(cls: type[T], text: str | bytes) -> T:
    """Read a value of type `cls` from JSON text that `dumps` wrote.

    Raises:
        ValueError: The text is not JSON, or not of that shape; the message names the place.
    """
    value: T = decode(cls, json.loads(text))
    return value


def decode(cls: Any, value: Any, place: str = "$") -> Any:
    """Turn JSON values into a value of the annotated type `cls`.

    Raises:
        ValueError: The value does not have that shape; the message names the place.
    """
    origin = typing.get_origin(cls)
    arguments = typing.get_args(cls)
    if cls is Any:
        return value
    if origin in {Union, types.UnionType}:
        return _decode_union(arguments, value, place)
    if origin in {tuple, frozenset}:
        items = _list(value, place)
        if origin is tuple and Ellipsis not in arguments:
            return _decode_record(arguments, items, place)
        return origin(decode(arguments[0], item, f"{place}[{n}]") for n, item in enumerate(items))
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"{place}: expected an object")
        return {
            decode(arguments[0], key, place): decode(arguments[1], item, f"{place}.{key}")
            for key, item in value.items()
        }
    if dataclasses.is_dataclass(cls):
        return _decode_dataclass(cls, value, place)
    return _decode_scalar(cls, value, place)


def _decode_union(arguments: tuple[Any, ...], value: Any, place: str) -> Any:
    if value is None and types.NoneType in arguments:
        return None
    problems = []
    for argument in arguments:
        if argument is types.NoneType:
            continue
        try:
            return decode(argument, value, place)
        except ValueError as error:
            problems.append(str(error))
    raise ValueError("; ".join(problems) or f"{place}: expected null")


def _decode_record(arguments: tuple[Any, ...], items: list[Any], place: str) -> tuple[Any, ...]:
    if len(items) != len(arguments):
        raise ValueError(f"{place}: expected {len(arguments)} items, found {len(items)}")
    return tuple(
        decode(argument, item, f"{place}[{n}]") for n, (argument, item) in enumerate(zip(arguments, items, strict=True))
    )


def _decode_dataclass(cls: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{place}: expected an object for {cls.__name__}")
    hints = _hints(cls)
    unknown = sorted(set(value) - set(hints))
    if unknown:
        raise ValueError(f"{place}: {cls.__name__} has no field {unknown[0]!r}")
    try:
        return cls(**{key: decode(hints[key], item, f"{place}.{key}") for key, item in value.items()})
    except TypeError as error:
        raise ValueError(f"{place}: {error}") from error


def _decode_scalar(cls: Any, value: Any, place: str) -> Any:
    if cls in {dt.datetime, dt.date, *_TEXT} and not isinstance(value, str):
        raise ValueError(f"{place}: expected text for {cls.__name__}, found {value!r}")
    if cls is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if cls in {str, int, float, bool}:
        if type(value) is not cls:
            raise ValueError(f"{place}: expected {cls.__name__}, found {value!r}")
        return value
    try:
        return cls.fromisoformat(value) if cls in {dt.datetime, dt.date} else cls(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place}: {error}") from error


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{place}: expected a list")
    return value


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)
