"""--mode=report: the page of a run, or of several beside each other."""

from decoupled_gan.errors import UserError
from decoupled_gan.report import page
from decoupled_gan.run.workdir import Workdir


def report(workdirs: str, output: str, self_contained: bool):
  """Writes the page and prints its path.

  Args:
    workdirs: of one run or of several, separated by commas.
    output: a file; <workdir>/report.html of one run if ''.
  """
  chosen = [Workdir(name) for name in filter(None, workdirs.split(','))]
  if len(chosen) > 1 and not output:
    raise UserError('--output=<file>.html is missing: where is the page of several runs to go?')
  if output:
    print(page.compare(chosen, output, self_contained))
  else:
    print(page.write(chosen[0], self_contained))
