"""The python-worker: it runs this environment's workflows and activities until it is told to end."""

import asyncio
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

import settings
from greeting import GreetingWorkflow, compose_greeting

READY = Path(os.environ.get("READY_FILE", "/tmp/worker-ready"))
CONNECT_SECONDS = 60
ACTIVITIES = 8
DRAIN = timedelta(seconds=10)


async def connect(address: str) -> Client:
    """The server of a new environment may still be starting, and its namespace not be there yet."""
    namespace = settings.temporal_namespace()
    loop = asyncio.get_running_loop()
    give_up = loop.time() + CONNECT_SECONDS
    while True:
        try:
            client = await Client.connect(address, namespace=namespace)
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
            return client
        except (RuntimeError, RPCError) as error:
            if loop.time() > give_up:
                sys.exit(f"python-worker: cannot start: no Temporal namespace {namespace} at {address}: {error}")
            await asyncio.sleep(0.5)


async def polls(client: Client, task_queue: str) -> None:
    """Returns once the server itself lists this worker among those that poll, for both kinds of task."""
    for kind in (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY):
        request = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=task_queue), task_queue_type=kind
        )
        while True:
            answer = await client.workflow_service.describe_task_queue(request, retry=True)
            if any(poller.identity == client.identity for poller in answer.pollers):
                break
            await asyncio.sleep(0.1)


async def main() -> None:
    failing = os.environ.get("FAIL_WORKER")  # how, for tests of what is told of it
    if failing == "by-not-starting":
        sys.exit("python-worker: cannot start: FAIL_WORKER is set")
    try:
        address = settings.required("TEMPORAL_SERVER_ADDRESS")
        task_queue = settings.required("TEMPORAL_TASK_QUEUE")
    except settings.Missing as missing:
        sys.exit(f"python-worker: cannot start: {missing}")

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    READY.unlink(missing_ok=True)
    if failing == "by-not-polling":
        print("python-worker: takes no work: FAIL_WORKER is set", flush=True)
        await stop.wait()
        return
    client = await connect(address)
    worker = Worker(
        client,
        task_queue=task_queue,
        workflows=[GreetingWorkflow],
        activities=[compose_greeting],
        activity_executor=ThreadPoolExecutor(ACTIVITIES),
        max_concurrent_activities=ACTIVITIES,
        graceful_shutdown_timeout=DRAIN,
    )
    # Leaving the block drains: no new tasks, and those in hand are finished. A worker that fails raises here.
    async with worker:
        await polls(client, task_queue)
        READY.touch()
        print(f"python-worker: polls {task_queue} at {address}", flush=True)
        await stop.wait()
        READY.unlink(missing_ok=True)
        print("python-worker: draining", flush=True)
    print("python-worker: ended", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
    # The SDK's own threads may still call into an interpreter that is being taken down, which aborts the process:
    # after an orderly end there is nothing left to take down.
    sys.stdout.flush()
    os._exit(0)
