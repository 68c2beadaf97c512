"""Spreads the tables over processes, each with its own two sessions."""
import concurrent.futures
import multiprocessing
import time

import psycopg
import pymysql

from judge.compare import TableJudge
from judge.connect import connect_source, connect_warehouse
from judge.fast import FastJudge, impossible
from judge.outcome import Outcome
from judge.text import JudgeError, error_text


class Worker:
    """One process's two sessions, opened when needed and thrown away after an error."""

    def __init__(self, options):
        self.options = options
        self.sessions = None

    def open(self):
        """Both sessions, each in its snapshot."""
        if not self.sessions:
            source, _ = connect_source(self.options["source"])
            self.sessions = source, connect_warehouse(self.options["warehouse"],
                                                      self.options["snapshot"])
        return self.sessions

    def judge(self, job):
        """Never raises for a table: what went wrong is its outcome."""
        start = time.monotonic()
        try:
            outcome = self.compare(job)
            if outcome.differences() or outcome.problems:
                outcome.status = "different"
        except (JudgeError, pymysql.MySQLError, psycopg.Error, OSError) as error:
            self.close()
            text = error_text(error)
            outcome = Outcome(job.name, "error", problems=list(job.problems) + [text])
        outcome.seconds = round(time.monotonic() - start, 3)
        return outcome

    def compare(self, job):
        """The fast form if it is wanted and possible, else the exact one."""
        source, warehouse = self.open()
        reason = impossible(warehouse, job) if self.options["fast"] else ""
        if self.options["fast"] and not reason:
            return FastJudge(source, warehouse, job, self.options).run()
        outcome = TableJudge(source, warehouse, job, self.options).run()
        outcome.exact_because = reason
        return outcome

    def close(self):
        """Close without reading half-read results to their end."""
        if self.sessions:
            self.sessions[0]._force_close()
            self.sessions[1].close()
            self.sessions = None


WORKER = None


def start_worker(options):
    """Initializer of a child process: take the snapshots at once, not at the first table."""
    global WORKER
    WORKER = Worker(options)
    try:
        WORKER.open()
    except JudgeError:
        pass  # told again, with a table's name, when the worker gets one


def judge_in_child(job):
    """Entry point in a child process."""
    return WORKER.judge(job)


def judge_all(jobs, options, count, tell):
    """Compare all tables, biggest first; `tell` gets every outcome as it comes."""
    jobs = sorted(jobs, key=lambda job: -job.size)
    if count <= 1 or len(jobs) <= 1:
        worker = Worker(options)
        outcomes = [tell(worker.judge(job)) for job in jobs]
        worker.close()
        return outcomes
    context = multiprocessing.get_context("spawn")  # no shared sockets
    with concurrent.futures.ProcessPoolExecutor(
            min(count, len(jobs)), context, start_worker, (options,)) as pool:
        futures = [pool.submit(judge_in_child, job) for job in jobs]
        try:
            return [tell(done.result()) for done in concurrent.futures.as_completed(futures)]
        except concurrent.futures.process.BrokenProcessPool:
            raise JudgeError("a comparing process died (out of memory?)") from None
