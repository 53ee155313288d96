"""The service side of lmcodec's interface to external measures (docs/METRICS.md): one JSON object a line.

First line out: {"name": ..., "version": ...}. Then for every request line {"reference": path, "degraded": path} one answer line:
{"score": number}, {"transcript": text} or {"error": text}. The service ends when its standard input does.
"""

import json
import os
import sys


def serve(name, version, answer):
    """Answers requests until standard input ends; `answer` takes a request and returns the answer."""
    # Libraries print to standard output as well: answers get it for themselves, everything else goes to standard error.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    print(json.dumps({"name": name, "version": version}), file=out, flush=True)
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:  # a file that cannot be measured is no end of the service
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=out, flush=True)
