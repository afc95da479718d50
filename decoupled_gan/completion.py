"""What Tab completes: `eval "$(decoupled-gan completion bash)"`, or `zsh`.

A script from the table of modes: it starts no Python, and knows the modes, the flags of the mode that is
typed, the recipes and studies, and the values of flags that have a few. All else are names of files.
"""

from collections.abc import Mapping

from absl import flags

from decoupled_gan import recipe_files
from decoupled_gan.errors import UserError, listing

SHELLS = ('bash', 'zsh')
VALUES = {
  'dtype': ('float32', 'bfloat16'),
  'direction': ('a_to_b', 'b_to_a'),
  'resize': ('square', 'keep'),
  'alpha': ('white', 'keep'),
  'output_depth': ('auto', '8', '16'),
  'codec': ('libx264', 'libx265', 'libvpx-vp9', 'ffv1'),
  'noise': ('const', 'random', 'none'),
  'ability': ('translate', 'edit', 'draw', 'reconstruct'),
  'distance': ('lpips', 'mse'),
  'sampler': ('truncation', 'rejection', 'mh', 'langevin', 'collaborative', 's2m'),
  'calibration': ('logistic', 'isotonic', 'none'),
  'classifier': ('published', 'small'),
}
"""{flag: its values}; they are known here so that nothing else is imported."""

SCRIPT = """\
_decoupled_gan() {{
  local line="${{COMP_LINE:0:$COMP_POINT}}" mode=train word flag before='' flags values
  local word="${{line##* }}"
  for flag in ${{line% *}}; do
    case " {modes} " in *" $flag "*) mode="$flag" ;; esac
  done
  case "$mode" in
{flags}
  esac
  COMPREPLY=()
  case "$word" in
    --*=*)
      flag="${{word%%=*}}"
      [[ "$COMP_WORDBREAKS" == *=* ]] || before="$flag="
      word="${{word#*=}}"
      case "$flag" in
{values}
        *) COMPREPLY=($(compgen -f -P "$before" -- "$word")); return ;;
      esac
      COMPREPLY=($(compgen -W "$values" -P "$before" -- "$word")) ;;
    -*)
      COMPREPLY=($(compgen -W "$flags" -- "$word"))
      [[ "${{COMPREPLY[0]}}" == *= ]] && compopt -o nospace 2>/dev/null ;;
    *) COMPREPLY=($(compgen -W "{modes}" -- "$word")) ;;
  esac
}}
complete -F _decoupled_gan decoupled-gan
"""
FOR_ZSH = 'autoload -U +X bashcompinit && bashcompinit\n'


def script(words: list[str], modes: Mapping, definitions: flags.FlagValues) -> str:
  """The script for the shell that `words` name; raises UserError unless it is one of SHELLS."""
  if len(words) != 1 or words[0] not in SHELLS:
    raise UserError(f'completion takes the name of a shell, {listing(SHELLS)}: completion bash.')
  values = VALUES | {'config': recipe_files.names(), 'study': recipe_files.study_names()}
  made = SCRIPT.format(
    modes=' '.join(modes),
    flags=_arms('    ', 'flags', {name: _flags(mode, definitions) for name, mode in modes.items()}),
    values=_arms('        ', 'values', {f'--{flag}': known for flag, known in values.items()}),
  )
  return (FOR_ZSH if words[0] == 'zsh' else '') + made


def _arms(indent: str, variable: str, words: Mapping) -> str:
  """Lines of a `case`: each pattern gives the variable its words."""
  return '\n'.join(f"{indent}{name}) {variable}='{' '.join(own)}' ;;" for name, own in words.items())


def _flags(mode, definitions: flags.FlagValues) -> list[str]:
  """The flags of a mode, each with the `=` behind which its value comes."""
  config = {'recipe': ('--config=',), 'run': (), '': ()}[mode.config]
  own = (f'--{name}' if definitions[name].boolean else f'--{name}=' for name in mode.flags)
  return [*config, *own, '--help']
