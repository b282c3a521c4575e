render status status.json
render --color status status.json | cat -v
render status status-degraded.json
render status status-first.json
render status status-alone.json
