"""Weights, variants, tuning, instances: from a card to something that infers."""
