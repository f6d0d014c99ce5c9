"""Run a command behind walls: bounded in time and output, with its whole process tree gone at the end."""
