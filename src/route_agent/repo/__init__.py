"""Git: the user's repository (read only), our scratches, and delivery when it is asked for."""
