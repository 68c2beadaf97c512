"""Runs client programs and says what they cost: wall seconds, CPU seconds, peak memory. Standard library only."""

import os
import subprocess
import threading
import time

SAMPLE_SECONDS = 0.01


class Cost:
    """What one tool cost; the processes of a pipe are added up."""

    def __init__(self, wall=0.0, cpu=0.0, peak_kb=0, failures=()):
        self.wall, self.cpu, self.peak_kb, self.failures = wall, cpu, peak_kb, list(failures)

    def then(self, other):
        """This one, and after it another: times add up, memory does not."""
        return Cost(self.wall + other.wall, self.cpu + other.cpu, max(self.peak_kb, other.peak_kb), self.failures + other.failures)


def status_kb(pid, field):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return 0


def run(commands, environment, folder, log):
    """Runs the commands as one pipe and waits for all. Their messages go to the file `log`.

    A child inherits the high-water mark of the process that forked it, so wait4 cannot see a peak below our own size.
    For such small programs the kernel's VmHWM is sampled instead: it never falls, so only a rise of the last
    hundredth of a second can be missed.
    """
    floor = status_kb("self", "VmHWM")
    began = time.monotonic()
    children = []
    try:
        start(commands, environment, folder, log, children)
        # Popen returns after the exec, so no sample sees our own size under a child's id.
        peaks, over = sample([child.pid for child in children])
        cpu, peak, failures = 0.0, 0, []
        for child, command in zip(children, commands):
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            cpu += usage.ru_utime + usage.ru_stime
            peak += usage.ru_maxrss if usage.ru_maxrss > floor else peaks[child.pid]
            if child.returncode:
                failures.append(f"{os.path.basename(command[0])} ended with {child.returncode}")
        wall = time.monotonic() - began
        over.set()
        return Cost(wall, cpu, peak, failures)
    finally:
        # An interrupted sitting leaves nobody who still loads.
        for child in children:
            if child.returncode is None:
                child.kill()
                child.wait()


def start(commands, environment, folder, log, children):
    """Starts the pipe and puts its processes into `children`, one by one, so that the caller can end them."""
    before = subprocess.DEVNULL
    with open(log, "ab") as messages:
        for index, command in enumerate(commands):
            last = index == len(commands) - 1
            child = subprocess.Popen(
                command, env=environment, cwd=folder, stdin=before, stderr=messages,
                stdout=messages if last else subprocess.PIPE)
            children.append(child)
            if index:
                before.close()  # or the writer would not notice that its reader has died
            before = child.stdout


def sample(pids):
    """High-water marks by process id, kept up to date by a thread until the event is set."""
    peaks, over = {pid: 0 for pid in pids}, threading.Event()

    def look():
        while not over.is_set():
            for pid in pids:
                peaks[pid] = max(peaks[pid], status_kb(pid, "VmHWM"))
            over.wait(SAMPLE_SECONDS)

    threading.Thread(target=look, daemon=True).start()
    return peaks, over


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
