bulkhead --socket /nowhere/socket
bulkhead --socket=/nowhere/socket ports
bulkhead -s /nowhere/socket --json status
bulkhead -s /nowhere/socket version
bulkhead -s /nowhere/socket flows -f
bulkhead -s /nowhere/socket explain a b c
bulkhead -s /nowhere/socket explain --batch questions
bulkhead -s policy/shop.yaml status
bulkhead -s $(printf '%0120d' 0) status
bulkhead -s /nowhere/socket adopt veth0 --name web-1 --label tier=front
bulkhead -s /nowhere/socket --json release veth0
