"""Sends requests to Chroma until the collector has counted their spans.

Reads the variables CHROMA (the URL of a request) and, with a collector, COLLECTOR (the name of its
pods), METRIC (the counter) and BACKENDS (the number of its series that must grow).
"""

import os
import re
import socket
import sys
import time
import urllib.request

DEADLINE = time.monotonic() + 120


def request():
    with urllib.request.urlopen(os.environ["CHROMA"], timeout=10) as answer:
        answer.read()


def counts():
    """Returns the spans by exporter or receiver, of all pods of the collector."""
    found = {}
    for address in socket.getaddrinfo(os.environ["COLLECTOR"], 8888, type=socket.SOCK_STREAM):
        host = address[4][0]
        url = f"http://[{host}]:8888/metrics" if ":" in host else f"http://{host}:8888/metrics"
        page = urllib.request.urlopen(url, timeout=10).read().decode()
        for labels, value in re.findall(rf"^{os.environ['METRIC']}(?:_total)?{{(.*)}} (\S+)$", page, re.M):
            series = re.search(r'(?:exporter|receiver)="([^"]+)"', labels)[1]
            found[series] = found.get(series, 0) + float(value)
    return found


def until_it_works(action):
    while True:
        try:
            return action()
        except OSError as error:
            if time.monotonic() > DEADLINE:
                sys.exit(f"{action.__name__}: {error}")
            time.sleep(1)


if "COLLECTOR" not in os.environ:
    until_it_works(request)
    print("Chroma answers; spans are not counted, because tracing is off or there is no collector")
    sys.exit()
before = until_it_works(counts)
while True:
    until_it_works(request)
    after = until_it_works(counts)
    grown = {series: int(count - before.get(series, 0)) for series, count in after.items()}
    grown = {series: count for series, count in grown.items() if count > 0}
    if len(grown) >= int(os.environ["BACKENDS"]):
        print("spans:", ", ".join(f"{series} {count}" for series, count in sorted(grown.items())))
        sys.exit()
    if time.monotonic() > DEADLINE:
        sys.exit(f"no growth of {os.environ['METRIC']} for every backend: {before}, then {after}; see the collector's log")
    time.sleep(2)
