"""Runs etl-sync from one source database into one warehouse database, and gives what it cost and the result it left."""

import json
import os
import sys

import measure
from servers import base_environment

SCHEMA = "raw"


class Program:
    def __init__(self, options, folder, source, warehouse, target):
        self.binary, self.parallel, self.folder = os.path.abspath(options.etl_sync), options.parallel, folder
        self.urls = {"ETL_SYNC_SOURCE_URL": source.url(options.database), "ETL_SYNC_WAREHOUSE_URL": warehouse.url(target)}

    def run(self, name, *arguments, **settings):
        """`settings`: more variables of its environment. A run that fails ends the sitting with its last messages."""
        state, log = os.path.join(self.folder, "state"), os.path.join(self.folder, "program.log")
        environment = {**base_environment(), **self.urls, "ETL_SYNC_WAREHOUSE_SCHEMA": SCHEMA, "ETL_SYNC_STATE_DIR": state, **settings}
        command = [self.binary, *arguments, "--parallel", str(self.parallel), "--quiet"]
        cost = measure.run([command], environment, self.folder, log)
        if cost.failures:
            with open(log, encoding="utf-8", errors="replace") as messages:
                sys.exit(f"{name}: {cost.failures[0]}\n{messages.read()[-3000:]}")
        with open(os.path.join(state, "last_run.json"), encoding="utf-8") as document:
            return cost, json.load(document)
