"""The ledger: recipes trained and measured as they stand, and what came of it. Start at settings.py."""
from .reproduce import add_command as add_command
