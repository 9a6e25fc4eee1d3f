"""Other people's sites: settings, and where it takes them models, that are not the example project's."""
