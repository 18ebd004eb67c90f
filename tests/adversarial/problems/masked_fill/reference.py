def masked_fill(x, mask):
    return x.masked_fill(~mask, -1), mask & (x != 0)
