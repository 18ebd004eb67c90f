"""The verifier on a CUDA GPU: shared device memory, the workers' side, clocks and timing.

Imported only where a GPU is asked for. What both devices share stays in `runner.verifier`.
"""
