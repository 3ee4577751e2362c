"""Files from outside are parsed in a child process that can do nothing else: see `sandbox.Sandbox`."""
