"""Each promise of the package, and the fault that tests it."""
