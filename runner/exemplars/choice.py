def exemplar_for(*a):
    return None
