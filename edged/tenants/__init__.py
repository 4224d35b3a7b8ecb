"""What lives in children: each module is imported by its name, in a process of its own, by nobody else."""
