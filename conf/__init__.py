"""The configuration: Hydra reads it from the installed package through this file."""
