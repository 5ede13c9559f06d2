"""Lab -> Plan: compile (table of contents), addressing, policy, containers."""
