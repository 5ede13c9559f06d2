"""Run the benchmarks by name, or all of them."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tests.bench import day, fabric, lint, proof, soak, store, sweep, up

BENCHES: dict[str, Callable[[], bool]] = {
    "lint": lint.main,
    "up": up.main,
    "proof": proof.main,
    "fabric": fabric.main,
    "store": store.main,
    "sweep": sweep.main,
    "soak": soak.main,
    "day": day.main,
}


def main(names: list[str]) -> int:
    """Run them one after the other; 1 if any misses its mark."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there are: {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    missed = [name for name in names or BENCHES if not BENCHES[name]()]
    if missed:
        print(f"missed the mark: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
