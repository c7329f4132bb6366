"""Dagster's records where many archives share them."""
