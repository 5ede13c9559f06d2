"""YAML text -> Lab: source (text with places), shaped by schema, resolve (names), rules (sense), load (all of it)."""
