"""Studies by name: `--mode=study --study=losses --workdir=studies/losses`, see docs/studies.md."""
