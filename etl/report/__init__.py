"""What people look at: the summary of a run, the status of queue and warehouse. It reads and prints, nothing else."""
