"""From a configuration to the units that it asks for, and what each is made of."""
