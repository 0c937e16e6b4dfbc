"""The real programs around an application, shared by the command line, the viewer and the simulation."""
