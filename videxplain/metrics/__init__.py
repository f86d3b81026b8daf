"""How good an attribution is, as one number an area and clip."""
