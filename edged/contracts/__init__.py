"""Floor 0: the types that flow between the floors. Standard library, numpy, pydantic and yaml only."""
