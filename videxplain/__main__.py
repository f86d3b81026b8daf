"""``python -m videxplain``."""

from videxplain.cli import main

main()
