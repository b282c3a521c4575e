bulkhead check policy
bulkhead check broken
bulkhead check broken/shop.yaml policy/shop.yaml | tail -3
bulkhead --json check policy
bulkhead --json check broken
bulkhead check --color=always broken/shop.yaml | sed -n 1,4p | cat -v
bulkhead check nowhere
bulkhead --json check nowhere
bulkhead check --policy policy
