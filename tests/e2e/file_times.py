"""The duration of a run per file: the time of its tests and their setup, summed over all workers."""

from collections import Counter


def show(terminalreporter):
    seconds = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if hasattr(report, "duration") and hasattr(report, "nodeid"):
                seconds[report.nodeid.partition("::")[0]] += report.duration
    if not seconds:
        return
    terminalreporter.section("files")
    for file, total in seconds.most_common():
        terminalreporter.write_line(f"{total:7.1f} s  {file}")
