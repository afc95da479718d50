"""report.html and run.json: what a run tells of itself, and that nobody else is asked or trusted."""

import itertools
import json
import re
import shutil
import subprocess
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from decoupled_gan.errors import RunError, UserError
from decoupled_gan.modes import report as mode
from decoupled_gan.modes import train
from decoupled_gan.report import charts, diary, page, story
from decoupled_gan.run.workdir import Workdir

HOSTILE = '"><script>alert(1)</script>'


class Elements(HTMLParser):
  """[(tag, attributes)] of a page, and its text without scripts and styles."""

  def __init__(self, html):
    super().__init__()
    self.found, self.text, self._inside = [], '', ''
    self.feed(html)

  def handle_starttag(self, tag, attrs):
    self.found.append((tag, dict(attrs)))
    self._inside = tag

  def handle_endtag(self, tag):
    self._inside = ''

  def handle_data(self, data):
    if self._inside not in ('script', 'style'):
      self.text += f'{data} '

  def all(self, tag):
    return [attributes for name, attributes in self.found if name == tag]


def elements(path):
  return Elements(Path(path).read_text())


@pytest.fixture
def run(toy, tmp_path):
  """A run of eight steps."""
  train.train(toy, Workdir(tmp_path / 'run'))
  return Workdir(tmp_path / 'run')


def test_a_run_writes_its_page_and_run_json_while_it_trains(toy, tmp_path):
  seen = []

  def look(step, _):
    text = elements(tmp_path / 'run' / page.NAME).text
    seen.append((step, 'running' in text))

  train.train(toy, Workdir(tmp_path / 'run'), look)
  assert seen == [(4, True), (8, True)]
  (start,) = json.loads((tmp_path / 'run' / 'run.json').read_text())
  assert (start['how'], start['from_step']) == ('done', 0)
  assert start['parameters'] == {'critic': 4, 'maker': 12}
  assert start['versions']['jax']
  assert 'match' in start['routes']
  found = elements(tmp_path / 'run' / page.NAME)
  assert 'done' in found.text
  assert 'step 8 of 8' in ' '.join(found.text.split())
  assert [x['src'] for x in found.all('img')] == ['samples/00000008.png']
  assert (tmp_path / 'run' / 'samples' / '00000008.png').exists()


def test_each_start_is_told_and_how_it_ended(toy, tmp_path, monkeypatch):
  toy.num_steps = 4
  train.train(toy, Workdir(tmp_path))
  toy.num_steps = 16

  def dies(*_):
    raise RunError('the disk is full')

  with monkeypatch.context() as patch:
    patch.setattr('decoupled_gan.modes.train.Sampler.save', dies)
    with pytest.raises(RunError):
      train.train(toy, Workdir(tmp_path))
  first, second = json.loads((tmp_path / 'run.json').read_text())
  assert (first['how'], second['from_step']) == ('done', 4)
  assert second['how'].startswith('failed: the disk is full')
  assert second['changed'] == {'num_steps': ['4', '16']}
  assert 'the disk is full' in elements(tmp_path / page.NAME).text


def test_a_page_that_cannot_be_made_ends_no_run(toy, tmp_path, monkeypatch, caplog):
  monkeypatch.setattr(page, 'write', lambda workdir: 1 / 0)
  assert train.train(toy, Workdir(tmp_path))
  told = [x.getMessage() for x in caplog.records if 'report.html' in x.getMessage()]
  assert told == ['report.html is not written any more: division by zero'], 'told once'


def test_no_request_leaves_the_page(run):
  html = (run.path / page.NAME).read_text()
  assert not re.findall(r'(?:https?:)?//[\w.]+\.\w+', html)
  found = Elements(html)
  assert not found.all('link')
  assert not found.all('iframe')
  assert [x.get('src') for x in found.all('script')] == [None, None]
  inside = elements(page.compare([run], str(run.path.parent / 'alone.html'), self_contained=True))
  assert all(x['src'].startswith('data:image/png;base64,') for x in inside.all('img'))


def test_the_curves_are_there_with_their_names_and_last_values(run):
  found = elements(run.path / page.NAME)
  labels = [x['aria-label'] for x in found.all('svg')]
  assert [label.partition(':')[0] for label in labels] == ['judge', 'paint']
  last = json.loads(run.metrics_file.read_text().splitlines()[-1])
  assert f'match {last["paint/match"]:.4g}' in labels[1]
  assert len(found.all('circle')) == 8 * 3


def test_strange_names_are_text_wherever_they_come_from(toy, tmp_path):
  folder = tmp_path / 'a&b<i>#1 %41'
  train.train(toy, Workdir(folder))
  rows = folder / 'metrics.jsonl'
  rows.write_text(
    rows.read_text() + json.dumps({'step': 8, f'judge/{HOSTILE}': 1.0, HOSTILE: 2.0}) + '\n'
  )
  score = {'metric': HOSTILE, 'task': HOSTILE, 'images': HOSTILE, 'value': 1.0, 'protocol': HOSTILE}
  (folder / 'evaluations.jsonl').write_text(json.dumps(score) + '\n')
  starts = json.loads((folder / 'run.json').read_text())
  starts[0] |= {
    'how': HOSTILE,
    'data': HOSTILE,
    'arguments': [HOSTILE],
    'commit': HOSTILE,
    'routes': HOSTILE,
  }
  starts[0]['parameters'] = {HOSTILE: 3}
  (folder / 'run.json').write_text(json.dumps(starts))
  for path in (page.write(Workdir(folder)), page.compare([Workdir(folder)], str(tmp_path / 'x.html'))):
    found = elements(path)
    assert len(found.all('script')) == 2, 'the data of the slider, and the page own script'
    assert not found.all('i') or all(set(x) <= {'style', 'class'} for x in found.all('i'))
    assert HOSTILE in found.text
    (source,) = {x['src'] for x in found.all('img')}
    from urllib.parse import unquote

    assert (path.parent / unquote(source)).is_file()


def test_damaged_lines_are_told_and_the_rest_is_shown(run):
  lines = run.metrics_file.read_text().splitlines()
  run.metrics_file.write_text('\n'.join([lines[0], 'nonsense', '[1]', *lines[1:]]) + '\n{"step": 9')
  (run.path / 'run.json').write_text('{')
  found = elements(page.write(run))
  assert 'metrics.jsonl: 3 damaged lines (2, 3, 11) are left out.' in found.text
  assert 'run.json is damaged' in found.text
  assert len(found.all('circle')) == 8 * 3


def test_values_that_are_not_finite_are_told_and_not_drawn(run):
  with run.metrics_file.open('a') as file:
    file.write('{"step": 9, "paint/match": NaN}\n')
  found = elements(page.write(run))
  assert 'paint/match was not finite in 1 logged steps' in found.text
  assert 'nan' not in ''.join(x.get('d', '') for x in found.all('path')).lower()


def test_an_old_run_without_run_json_has_a_page(run):
  (run.path / 'run.json').unlink()
  found = elements(page.write(run))
  assert 'there is no run.json' in found.text
  assert 'done' in found.text


def test_the_best_checkpoint_is_marked_where_there_are_scores(run):
  for step, value in ((4, 0.1), (8, 0.2)):
    meta = run.checkpoints / str(step) / 'meta' / 'metadata'
    content = json.loads(meta.read_text())
    assert content['score'] == {}
    meta.write_text(
      json.dumps(content | {'score': {'metric': 'mae', 'value': value, 'better': 'lower'}})
    )
  with run.metrics_file.open('a') as file:
    for step in (4, 8):
      file.write(json.dumps({'step': step, 'evaluate/a_to_b/mae': step / 10}) + '\n')
  (run.path / 'evaluations.jsonl').write_text(
    json.dumps({'metric': 'mae', 'task': 'a_to_b', 'images': 'identity', 'value': 0.9, 'scale': 1})
    + '\n'
  )
  assert story.read(run).best == 4
  found = elements(page.write(run))
  classes = [x.get('class') for x in found.all('path')]
  assert (classes.count('best'), classes.count('level')) == (1, 1)


def test_runs_are_compared_by_their_differing_fields_and_over_each_other(toy, tmp_path, capsys):
  for name, rate in (('one', 1e-2), ('two', 1e-3)):
    toy.optimizer.learning_rate = rate
    train.train(toy, Workdir(tmp_path / name))
  capsys.readouterr()
  runs = f'{tmp_path}/one,{tmp_path}/two'
  mode.report(runs, str(tmp_path / 'both.html'), False)
  assert capsys.readouterr().out.strip() == str(tmp_path / 'both.html')
  found = elements(tmp_path / 'both.html')
  cells = found.text.split('Where they differ')[1].split('Losses')[0].split()
  assert cells == ['field', '1', 'one', '2', 'two', 'optimizer.learning_rate', '0.01', '0.001']
  assert [x['src'] for x in found.all('img')] == ['one/samples/00000008.png', 'two/samples/00000008.png']
  assert 'do not show the same test images' not in found.text
  labels = [x['aria-label'] for x in found.all('svg')]
  assert [label.partition(':')[0] for label in labels][:1] == ['judge/adversarial']
  toy.seed = 5
  train.train(toy, Workdir(tmp_path / 'three'))
  mode.report(f'{runs},{tmp_path}/three', str(tmp_path / 'all.html'), False)
  assert 'the runs differ in seed' in elements(tmp_path / 'all.html').text


@pytest.mark.parametrize(
  ('workdirs', 'output', 'sentence'),
  [
    ('nowhere', '', 'holds no run'),
    ('run,run', 'x.html', 'names a run twice'),
    ('run,nowhere', '', r'--output=<file>.html is missing'),
    ('run', 'x.png', r'ends in .html'),
    ('run', 'mine.html', r'is a file of something else'),
  ],
)
def test_mistakes_are_told(run, monkeypatch, workdirs, output, sentence):
  monkeypatch.chdir(run.path.parent)
  Path('mine.html').write_text('<p>my diary</p>')
  with pytest.raises(UserError, match=sentence):
    mode.report(workdirs, output, False)


def test_a_page_is_overwritten_by_the_next_one(run, tmp_path):
  for _ in range(2):
    mode.report(str(run.path), str(tmp_path / 'x.html'), False)


def test_of_many_grids_sixty_are_shown_and_the_newest_always():
  picked = page.chosen(range(1001))
  assert (len(picked), picked[0], picked[-1]) == (60, 0, 1000)
  assert max(b - a for a, b in itertools.pairwise(picked)) <= 18
  assert page.chosen(range(3)) == [0, 1, 2]


def test_too_many_pictures_are_not_put_inside(run, monkeypatch):
  monkeypatch.setattr(page, 'MOST_BYTES', 10)
  with pytest.raises(UserError, match='leave --self_contained out'):
    page.write(run, self_contained=True)


def test_a_curve_of_many_points_keeps_its_means_and_its_end():
  points = [(x, x % 2) for x in range(10_001)]
  thin = charts.thinned(points)
  assert len(thin) <= charts.MOST
  assert thin[-1] == points[-1]
  assert all(0.3 < y < 0.7 for _, y in thin[:-1])


def test_a_scale_is_logarithmic_where_values_span_a_hundredfold():
  assert '(logarithmic)' in charts.chart({'x': [(0, 1.0), (1, 1e-3)]}, 'loss')
  assert '(logarithmic)' not in charts.chart({'x': [(0, 1.0), (1, -1e-3)]}, 'loss')
  assert charts.chart({'x': [(5, 2.0)]}, 'one point')
  assert charts.chart({'x': []}, 'none') == ''


def test_a_page_of_a_long_run_is_made_in_less_than_a_second(run):
  with run.metrics_file.open('a') as file:
    file.writelines(
      json.dumps({'step': s, 'judge/adversarial': 1 / s, 'paint/match': 2 / s}) + '\n'
      for s in range(9, 10_009)
    )
  before = time.process_time()
  path = page.write(run)
  assert time.process_time() - before < 1
  assert path.stat().st_size < 400_000


def test_the_commit_is_told_in_a_checkout_only(monkeypatch, tmp_path):
  monkeypatch.setattr(diary.decoupled_gan, '__file__', str(tmp_path / 'decoupled_gan' / '__init__.py'))
  assert diary._commit() == ''


@pytest.mark.slow
@pytest.mark.skipif(
  not shutil.which('chromium'), reason='there is no chromium: apt-get install chromium'
)
def test_a_browser_shows_the_page_from_disk_and_its_slider_moves(run, tmp_path):
  moved = run.path / 'moved.html'
  event = "slider.value = 0; slider.dispatchEvent(new Event('input'));"
  script = f"<script>{{ const slider = document.querySelector('input'); {event} }}</script>"
  moved.write_text((run.path / page.NAME).read_text().replace('</body>', f'{script}</body>'))
  shot = tmp_path / 'page.png'
  command = ['chromium', '--headless', '--no-sandbox', '--disable-gpu', '--window-size=1100,1600']
  for options in ([f'--screenshot={shot}'], ['--dump-dom']):
    shown = subprocess.run(
      [*command, *options, f'file://{moved}'], check=True, capture_output=True, text=True, timeout=120
    ).stdout
  assert [x['src'] for x in Elements(shown).all('img')] == ['samples/00000004.png']
  colours = Image.open(shot).convert('RGB').resize((110, 160)).getcolors(20_000)
  assert len(colours) > 50, 'more than a blank page'
