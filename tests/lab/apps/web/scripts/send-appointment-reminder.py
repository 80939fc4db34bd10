"""Reminds somebody of a booked appointment: npm run run:send-appointment-reminder -- --booking 7 --channel email"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import events  # noqa: E402 (the app's own modules lie one folder up)

parser = argparse.ArgumentParser(prog="send-appointment-reminder", description=__doc__)
parser.add_argument("--booking", type=int, default=1, help="the booking's number")
parser.add_argument("--channel", choices=["email", "sms"], default="email")
arguments = parser.parse_args()

row = events.record("reminder-sent", arguments.booking, f"by {arguments.channel}")
print(f"sent a reminder of booking {arguments.booking} by {arguments.channel} (event {row})")
