render ports ports.json
render --color ports ports.json | cat -v
render ports none.json
render counters counters.json
render unused counters.json
render unused counters-all-hit.json
render counters counters-none.json
render flows flows.json
render --color flows flows.json | cat -v
render version version.json
render reload reload.json
render explain hostile-explain.json
