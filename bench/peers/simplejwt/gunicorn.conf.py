"""As gunicorn's documentation advises: (2 x cores) + 1 workers, 2 to 4 threads for each core, and threads so that connections are
kept."""

import os

cores = len(os.sched_getaffinity(0))
workers = 2 * cores + 1
worker_class = "gthread"
threads = 2 * cores
# Seconds; 2 where nothing is said, and more for clients that come back, as behind a proxy: a connection of the bench waits while all
# others are answered once before it begins.
keepalive = 75
wsgi_app = "wsgi:application"
raw_env = ["DJANGO_SETTINGS_MODULE=settings"]
# It would be in the home directory, which the bench has none of.
control_socket_disable = True
