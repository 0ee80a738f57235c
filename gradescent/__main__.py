"""`python -m gradescent`."""

import sys

from gradescent.cli import main

sys.exit(main())
