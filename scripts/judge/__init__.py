"""The parts of scripts/judge.py; its head says what they do."""
