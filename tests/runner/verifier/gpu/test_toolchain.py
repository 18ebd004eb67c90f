"""What a worker may have a tool do, and what the judge reads of it; the tools are real."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import pytest
import triton

from runner.contract import sha256_hex
from runner.verifier.gpu.toolchain import Toolchain
from runner.verifier.sandbox import Sandbox, open_sandbox

PTXAS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "ptxas"
PTX = """\
.version 8.3
.target sm_90a
.address_size 64
.visible .entry scale(.param .u64 scale_param_0)
.reqntid 32
{
  .reg .f32 %f<2>;
  .reg .b64 %rd<2>;
  ld.param.u64 %rd1, [scale_param_0];
  ld.global.f32 %f1, [%rd1];
  mul.f32 %f1, %f1, %f1;
  st.global.f32 [%rd1], %f1;
  ret;
}
"""
UNOPTIMISED = """\
#ifdef __OPTIMIZE__
#error a launcher is glue, and waited for
#endif
int one(void) { return 1; }
"""
OPTIONS = ["-lineinfo", "-v", "--gpu-name=sm_90a"]


@pytest.fixture
def tools():
    chain = Toolchain(open_sandbox(allow_none=True))
    compiler = shutil.which("gcc") or shutil.which("cc")
    chain.learn(
        {
            "tools": {
                "ptxas": [str(PTXAS), *OPTIONS, "x.ptx", "-o", "x.o"],
                "cc": [str(compiler), "x.c", "-O3", "-shared", "-fPIC", "-o", "x.so"],
            },
            "triton_cache": {"a/b.bin": base64.b64encode(b"made").decode()},
        }
    )
    yield chain
    chain.close()


def test_ptx_becomes_a_cubin_and_its_report_is_the_judges(tools):
    reply = tools.serve({"tool": "ptxas", "options": OPTIONS, "source": PTX})
    assert reply["returncode"] == 0, reply["said"]
    assert base64.b64decode(reply["output"]).startswith(b"\x7fELF")
    report = tools.reports[sha256_hex(PTX)]
    assert report.registers > 0
    assert report.spill_bytes == 0


def test_a_launcher_is_built(tools):
    if shutil.which("gcc") is None and shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    reply = tools.serve({"tool": "cc", "options": [], "source": UNOPTIMISED})
    assert reply["returncode"] == 0, reply["said"]
    assert base64.b64decode(reply["output"]).startswith(b"\x7fELF")


def test_broken_ptx_is_a_failure_with_the_tools_words(tools):
    reply = tools.serve({"tool": "ptxas", "options": OPTIONS, "source": "nonsense"})
    assert reply["returncode"] != 0
    assert "error" in reply["said"].lower()


@pytest.mark.parametrize(
    "request_",
    [
        {"tool": "sh", "options": [], "source": "id"},
        {"tool": "ptxas", "options": ["--dump-resource-usage"], "source": PTX},
        {"tool": "ptxas", "options": ["-o", "/etc/passwd"], "source": PTX},
        {"tool": "ptxas", "options": ["--gpu-name=sm_90a/../x"], "source": PTX},
        {"tool": "ptxas", "options": "-v", "source": PTX},
        {"tool": "ptxas", "options": OPTIONS, "source": 7},
        {"tool": ["ptxas"], "options": OPTIONS, "source": PTX},
        {"tool": "cc", "options": ["-fplugin=x.so"], "source": "int x;"},
        # JSON can carry half a character; no encoding can.
        {"tool": "cc", "options": [], "source": "int x; // \ud800"},
        {"tool": "ptxas", "options": OPTIONS, "source": "\udfff"},
        {"tool": "ptxas", "options": ["\ud800"], "source": PTX},
        {"tool": "\ud800", "options": [], "source": ""},
        {},
    ],
    ids=lambda request_: ascii(request_)[:60],
)
def test_nothing_else_is_run(tools, request_):
    reply = tools.serve(request_)
    assert reply["returncode"] == 1
    assert reply["output"] == ""


def test_a_c_source_cannot_include_the_machines_files(tools):
    reply = tools.serve({"tool": "cc", "options": [], "source": '#include "/etc/hostname"\n'})
    assert reply["returncode"] != 0


def test_what_a_first_worker_compiled_is_there_for_later_ones_and_goes_in_the_end(tools):
    kept = tools.cache
    assert (kept / "a" / "b.bin").read_bytes() == b"made"
    tools.close()
    assert not kept.exists()


def test_a_toolchain_apart_has_the_commands_and_none_of_the_results():
    tools = Toolchain(Sandbox(kind="none"))
    tools.learn({"tools": {"cc": ["/bin/cp", "in.c", "-o", "out.so"]}, "triton_cache": None})
    request = {"tool": "cc", "options": [], "source": "int x;"}
    first = tools.serve(request)
    tools.reports["digest"] = None
    other = tools.apart()
    assert other.reports == {}
    assert other.serve(request)["returncode"] == first["returncode"]
    assert len(tools._known) == len(other._known) == 1
    assert tools._known is not other._known
    other.close()
    tools.close()
