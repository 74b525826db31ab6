"""``benchmarks/gpu.sh``: all about labelling on a GPU, measured in minutes on a machine that has nothing else."""
