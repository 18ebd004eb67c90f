def matmul_bfloat16(a, b):
    return a.float() @ b.float()
