"""Runs inside the fabric container: lays cables, loads rules, greets services, sweeps; imports the model only."""
