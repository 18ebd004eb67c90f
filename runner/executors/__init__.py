"""Executors: independent jobs on the GPUs of this machine, or of a Ray cluster."""
