"""Networks with what explaining them needs to know."""
