bulkhead matrix $offline
COLUMNS=44 bulkhead matrix $offline
COLUMNS=20 bulkhead matrix $offline | sed -n 1,30p
bulkhead matrix --color always $offline | sed -n 1,3p | cat -v
bulkhead matrix --policy policy | sed -n 1,12p
bulkhead matrix --dot $offline
bulkhead matrix --json $offline | cut -c 1-200
bulkhead matrix --policy broken
bulkhead matrix --dot --json $offline
bulkhead matrix x $offline
