"""A conformance run -> what people and machines read: console, json."""
