# How gunicorn serves app.py: one process with one thread, on $PORT (8000 if unset).
import os

bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
workers = 1
threads = 1
graceful_timeout = 2
control_socket_disable = True
