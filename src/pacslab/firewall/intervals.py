"""Sets of integers as sorted, disjoint, closed intervals: meet, minus, and the like."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

Intervals = tuple[tuple[int, int], ...]

_FEW = 8  # against a much longer set, few intervals are looked up instead of merged
_BEYOND = 1 << 129  # larger than any address


def union(pairs: Iterable[tuple[int, int]]) -> Intervals:
    """The numbers in any of the pairs (low, high); adjacent intervals become one."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(pairs):
        if merged and low <= merged[-1][1] + 1:
            if high > merged[-1][1]:
                merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return tuple(merged)


def meet(a: Intervals, b: Intervals) -> Intervals:
    """The numbers in both."""
    if a is b:
        return a
    if len(a) > len(b):
        a, b = b, a
    if len(b) > _FEW * len(a):
        return tuple(_looked_up(a, b))
    found: list[tuple[int, int]] = []
    i = j = 0
    while i < len(a) and j < len(b):
        low = max(a[i][0], b[j][0])
        high = min(a[i][1], b[j][1])
        if low <= high:
            found.append((low, high))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def _looked_up(few: Intervals, many: Intervals) -> Iterable[tuple[int, int]]:
    for low, high in few:
        at = max(bisect_right(many, (low, _BEYOND)) - 1, 0)
        while at < len(many) and many[at][0] <= high:
            if many[at][1] >= low:
                yield max(low, many[at][0]), min(high, many[at][1])
            at += 1


def minus(a: Intervals, b: Intervals) -> Intervals:
    """The numbers in a but not in b."""
    if a is b or not a:
        return ()
    found: list[tuple[int, int]] = []
    j = 0
    for first, high in a:
        low = first
        if j < len(b) and b[j][1] < low:
            j = max(bisect_right(b, (low, _BEYOND), j) - 1, j)
            if b[j][1] < low:
                j += 1
        k = j
        while k < len(b) and b[k][0] <= high:
            if b[k][0] > low:
                found.append((low, b[k][0] - 1))
            low = b[k][1] + 1
            k += 1
        if low <= high:
            found.append((low, high))
    return tuple(found)


def holds(a: Intervals, number: int) -> bool:
    """Whether the number is in the set."""
    at = bisect_right(a, (number, _BEYOND)) - 1
    return at >= 0 and a[at][1] >= number


def size(a: Intervals) -> int:
    """How many numbers there are."""
    return sum(high - low + 1 for low, high in a)
