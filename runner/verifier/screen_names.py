"""The names that the screen allows or refuses. Tables only."""

from __future__ import annotations

ALLOWED_IMPORTS = frozenset(
    {
        "__future__",
        "collections",
        "dataclasses",
        "enum",
        "functools",
        "itertools",
        "math",
        "torch",
        "triton",
        "typing",
    }
)

# Builtins that reach files, frames or code, or that undo what the screen can see.
FORBIDDEN_BUILTINS = frozenset(
    {
        "__builtins__",
        "__import__",
        "breakpoint",
        "compile",
        "delattr",
        "eval",
        "exec",
        "exit",
        "globals",
        "input",
        "locals",
        "memoryview",
        "open",
        "quit",
        "setattr",
        "vars",
    }
)

# Underscored attributes that ordinary code needs. Every other one leads into the machinery.
ALLOWED_UNDERSCORED = frozenset({"__doc__", "__init__", "__name__", "_"})

# Modules that hang on torch, triton or the standard library as attributes.
FORBIDDEN_ATTRIBUTES = frozenset(
    {
        "builtins",
        "ctypes",
        "gc",
        "importlib",
        "inspect",
        "os",
        "socket",
        "subprocess",
        "sys",
        "threading",
        "from_numpy",
        "numpy",
        "tolist",
    }
)

# Dotted prefix → why not. `ALLOWED_PREFIXES` makes holes in it.
FORBIDDEN_PREFIXES: dict[str, str] = {
    "torch.backends": "changes settings of the library",
    "torch.classes": "loads foreign code",
    "torch.compile": "hands the work to another compiler",
    "torch.cuda.CUDAGraph": "replays what was recorded",
    "torch.cuda.Event": "is the harness's clock",
    "torch.cuda.graph": "replays what was recorded",
    "torch.cuda.memory": "looks into other tensors' memory",
    "torch.distributed": "starts processes",
    "torch.from_file": "reads files",
    "torch.fx": "rewrites code",
    "torch.hub": "loads foreign code",
    "torch.jit": "hands the work to another compiler",
    "torch.library": "changes the library",
    "torch.load": "reads files",
    "torch.multiprocessing": "starts processes",
    "torch.ops": "calls the library around its interface",
    "torch.overrides": "changes the library",
    "torch.package": "loads foreign code",
    "torch.profiler": "is the harness's instrument",
    "torch.save": "writes files",
    "torch.set_default_dtype": "changes settings of the library",
    "torch.testing": "is the harness's instrument",
    "torch.use_deterministic_algorithms": "changes settings of the library",
    "torch.utils": "changes the library",
    "triton.backends": "changes the compiler",
    "triton.compiler": "changes the compiler",
    "triton.knobs": "changes settings of the compiler",
    "triton.profiler": "is the harness's instrument",
    "triton.runtime": "changes the compiler",
    "triton.testing": "is the harness's instrument",
    "triton.tools": "loads foreign code",
}
ALLOWED_PREFIXES = ("triton.runtime.driver", "triton.tools.tensor_descriptor")

# Calls that are somebody else's kernel: refused at once under `triton-only` where the entry
# reaches them. What really ran is seen later, by `integrity`.
LIBRARY_KERNELS = frozenset(
    {
        "addbmm",
        "addmm",
        "addmv",
        "baddbmm",
        "bmm",
        "conv1d",
        "conv2d",
        "conv3d",
        "cumsum",
        "einsum",
        "inner",
        "layer_norm",
        "log_softmax",
        "matmul",
        "mm",
        "mv",
        "rms_norm",
        "softmax",
        "tensordot",
        "vmap",
    }
)
LIBRARY_MODULES = ("torch.nn.functional", "torch.linalg", "torch.fft", "torch.special")
