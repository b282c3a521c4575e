bulkhead --help
bulkhead help
bulkhead explain --help
bulkhead help flows
bulkhead matrix -h
bulkhead help uninstall
bulkhead help statsu
bulkhead statsu
bulkhead --json statsu
bulkhead --bogus
bulkhead -s
bulkhead --socket
bulkhead --color red
bulkhead status now
bulkhead status --policy policy
bulkhead ports --al
bulkhead explain web-1 db-1
bulkhead explain a b c --now tomorrow
bulkhead explain --batch questions a b c
bulkhead explain a b c --engine naive
bulkhead matrix --world world.yaml
bulkhead flows --form x
bulkhead flows -n
bulkhead flows -n many
bulkhead flows -fx
bulkhead flows --denied=yes
bulkhead flows web-1
bulkhead uninstall --prge
bulkhead counters --unusd
bulkhead $'\e[31mred'
bulkhead --version
bulkhead help adopt
bulkhead release --help
bulkhead adopt
bulkhead adopt --name x
bulkhead adopt veth0 --label tier
bulkhead adopt veth0 --label =front
bulkhead adopt veth0 --wait long
bulkhead adopt veth0 --wait 60001
bulkhead adopt veth0 --nane x
bulkhead adopt veth0 veth1
bulkhead adopt veth0 --name $'\xff'
bulkhead adopt veth0 --policy policy
bulkhead release
bulkhead release veth0 --label x
bulkhead --json release
