"""YAML text -> Lab: source (text with positions), schema (shape), resolve (names), rules (sense), load (all of it)."""
