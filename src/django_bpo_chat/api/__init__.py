"""The HTTP door: parse, one operation, answer."""
