def double_strided(x):
    return x * 2
