def publish(envelope): pass
