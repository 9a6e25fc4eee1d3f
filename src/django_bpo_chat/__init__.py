"""Personal and group chat for Django: a REST API and live updates that lose nothing."""

__version__ = "0.1.0"
