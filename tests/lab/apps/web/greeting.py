"""The app's one workflow: a greeting, computed by whichever worker polls this environment's task queue."""

import os
import socket
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow


@dataclass
class Greeting:
    greeting: str
    computed_by: str
    environment: str


@activity.defn
def compose_greeting(name: str) -> Greeting:
    word = os.environ.get("GREETING", "Hello")
    environment = os.environ.get("APP_ENVIRONMENT", "development")
    return Greeting(f"{word}, {name}!", socket.gethostname(), environment)


@workflow.defn(name="Greeting")
class GreetingWorkflow:
    @workflow.run
    async def run(self, name: str) -> Greeting:
        return await workflow.execute_activity(compose_greeting, name, start_to_close_timeout=timedelta(seconds=10))
