"""Training of the bundled tabular model from real ClinVar releases: `python -m processors.score.train --data DIR --out FOLDER`."""
