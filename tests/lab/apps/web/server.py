"""The web app: it serves the page that Vite built, and what the page asks for."""

import asyncio
import os
import signal
import sys
import threading
import uuid
from concurrent.futures import TimeoutError as Late
from functools import cache
from pathlib import Path

import psycopg
import waitress
from flask import Flask, jsonify, request, send_from_directory
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

import events
import settings
from greeting import GreetingWorkflow

PAGE = Path(os.environ.get("PAGE", Path(__file__).parent / "dist"))
app = Flask(__name__, static_folder=None)
loop = asyncio.new_event_loop()


@cache
def temporal() -> Client:
    """Connects when it is first used, and again whenever it must."""
    address = settings.required("TEMPORAL_SERVER_ADDRESS")
    connecting = Client.connect(address, namespace=settings.temporal_namespace(), lazy=True)
    return asyncio.run_coroutine_threadsafe(connecting, loop).result(5)


def wait_for(coroutine, seconds: float):
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        return future.result(seconds)
    except Late:
        future.cancel()
        raise TimeoutError(f"no answer within {seconds:g} s") from None


@app.get("/api/health")
def health():
    """The app itself, and nothing that it depends on: the page stays while Temporal is replaced."""
    return jsonify(status="ok")


@app.get("/api/version")
def version():
    return jsonify(
        commit=os.environ.get("GIT_COMMIT", "unknown"),
        version=os.environ.get("APP_VERSION", "unknown"),
        environment=settings.environment(),
    )


@app.get("/api/greet")
def greet():
    name = request.args.get("name", "").strip()[:100] or "World"
    try:
        answer = wait_for(
            temporal().execute_workflow(
                GreetingWorkflow.run,
                name,
                id=f"greeting-{uuid.uuid4()}",
                task_queue=settings.required("TEMPORAL_TASK_QUEUE"),
            ),
            15,
        )
    except (settings.Missing, RuntimeError, RPCError, TimeoutError, WorkflowFailureError) as error:
        return jsonify(problem=str(error)), 502
    return jsonify(vars(answer))


@app.get("/api/events")
def newest_events():
    try:
        return jsonify([{**row, "at": row["at"].isoformat()} for row in events.newest()])
    except (settings.Missing, psycopg.Error) as error:
        return jsonify(problem=str(error)), 503


@app.get("/")
@app.get("/<path:file>")
def page(file: str = "index.html"):
    return send_from_directory(PAGE, file)


def main() -> None:
    # As process 1 of a container, what is not handled is ignored.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    port = int(os.environ.get("PORT", "8080"))
    print(f"web: listens on {port}", flush=True)
    waitress.serve(app, host="0.0.0.0", port=port, threads=16)


if __name__ == "__main__":
    main()
