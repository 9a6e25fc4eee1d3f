"""User models of which the system checks have something to say, or nothing though it looks so. They have no tables."""
