"""The questions of `probes.py`: programs in asyncio's API, with the same source for all loops.

A question that is a coroutine runs inside the loop. It returns None for yes or a text for a
measured answer, and raises the reason for a no.
"""

from . import calls, costs, programs, streams
from .registry import Question

# In the order of the rows.
QUESTIONS = streams.QUESTIONS | programs.QUESTIONS | calls.QUESTIONS | costs.QUESTIONS

__all__ = ["QUESTIONS", "Question"]
