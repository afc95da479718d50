"""Printing never ends a run: any name, any reader."""

import os
import subprocess
import sys

import pytest

CODE = """
import os, sys
from decoupled_gan.machine import streams
streams.make_safe()
{}
"""


def run(body, encoding='utf-8:strict', **options):
  environment = os.environ | {'PYTHONIOENCODING': encoding}
  command = [sys.executable, '-c', CODE.format(body)]
  return subprocess.run(command, capture_output=True, env=environment, check=False, **options)


@pytest.mark.parametrize('encoding', ['utf-8:strict', 'ascii:strict', 'latin-1:strict'])
def test_a_name_that_the_encoding_lacks_is_printed_with_a_replacement(encoding):
  done = run("print(os.fsdecode(b'donn\\xe9es \\xe2\\x82\\xac'), file=sys.stdout, flush=True)", encoding)
  assert (done.returncode, done.stderr) == (0, b'')
  assert b'donn' in done.stdout


@pytest.mark.parametrize('stream', ['stdout', 'stderr'])
def test_a_stream_that_nobody_reads_any_more_is_no_error(stream):
  body = f"""
read, write = os.pipe()
os.dup2(write, sys.{stream}.fileno())
os.close(read); os.close(write)
for i in range(3):
  print('x' * 100_000, file=sys.{stream}, flush=True)
os._exit(7)
"""
  assert run(body).returncode == 7  # it got there


def test_what_rich_and_logging_ask_of_a_stream_is_there():
  body = """
from rich.console import Console
Console(stderr=True).print('told')
import logging
logging.warning('heard')
print(sys.stdout.encoding, sys.stdout.fileno(), sys.stdout.isatty())
"""
  done = run(body)
  assert done.returncode == 0, done.stderr
  assert b'told' in done.stderr
  assert b'heard' in done.stderr
  assert done.stdout == b'utf-8 1 False\n'


def test_of_an_event_loop_that_has_gone_nothing_is_said_but_of_other_errors_nobody_caught_all_is():
  body = """
streams.hush_closed_loops()
class Loud:
  def __init__(self, error):
    self.error = error
  def __del__(self):
    raise self.error
Loud(RuntimeError('Event loop is closed'))
Loud(RuntimeError('another'))
"""
  told = run(body).stderr
  assert b'another' in told
  assert b'Event loop' not in told
