"""Loyalty points for the customers of the shop: an example of an app that joins it."""
