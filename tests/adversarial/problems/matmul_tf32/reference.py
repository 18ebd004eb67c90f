def matmul_tf32(a, b):
    return a @ b
