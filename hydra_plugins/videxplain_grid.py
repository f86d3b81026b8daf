"""Hydra looks for plug-ins in the namespace ``hydra_plugins`` alone."""

from videxplain import sweep


class Grid(sweep.Grid):
    """See `videxplain.sweep.Grid`."""


class DryRun(sweep.DryRun):
    """See `videxplain.sweep.DryRun`."""
