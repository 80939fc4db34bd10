"""Changes a booking's status: npm run run:change-booking-appointment-status -- --booking 7 --status confirmed"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import events  # noqa: E402 (the app's own modules lie one folder up)

parser = argparse.ArgumentParser(prog="change-booking-appointment-status", description=__doc__)
parser.add_argument("--booking", type=int, default=1, help="the booking's number")
parser.add_argument("--status", choices=["confirmed", "cancelled", "completed"], default="confirmed")
arguments = parser.parse_args()

row = events.record("status-changed", arguments.booking, f"to {arguments.status}")
print(f"changed booking {arguments.booking} to {arguments.status} (event {row})")
