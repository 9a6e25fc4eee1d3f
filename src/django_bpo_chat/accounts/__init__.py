"""Sign-up, log-in, refresh, log-out. Optional: a site with accounts of its own mounts only the chat API."""
