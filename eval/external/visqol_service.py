#!/usr/bin/env python3
"""ViSQOL in speech mode (PyPI visqol-python) as a service of lmcodec.

    pip install 'visqol-python[lattice,accel]==3.8.0'
    lmcodec eval speech --visqol 'python3 eval/external/visqol_service.py' ...

The score is MOS-LQO by the lattice model, as the C++ program maps it by default.
"""

from importlib.metadata import version

from line_service import serve
from visqol import VisqolApi


def main():
    # use_lattice_model=True: fail here rather than fall back to the polynomial, which reads 1 to 2 points too high.
    api = VisqolApi()
    api.create(mode="speech", use_lattice_model=True)

    def answer(request):
        return {"score": float(api.measure(request["reference"], request["degraded"]).moslqo)}

    versions = f"visqol-python {version('visqol-python')} (speech mode, lattice), ai-edge-litert {version('ai-edge-litert')}"
    serve("ViSQOL", versions, answer)


if __name__ == "__main__":
    main()
