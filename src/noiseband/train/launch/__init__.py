"""The processes that train one run: started here, by torchrun or by Slurm."""
