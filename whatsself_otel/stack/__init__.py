"""The real programs around an application, which the command line, the viewer and the simulation share."""
