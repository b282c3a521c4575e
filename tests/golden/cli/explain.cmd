bulkhead explain $offline web-1 db-1 tcp/5432
bulkhead explain $offline db-1 web-1 tcp/5432
bulkhead explain $offline web-1 web-2 all
bulkhead explain $offline web-1 203.0.113.66 https
bulkhead explain $offline web-1 office https
bulkhead explain $offline web-1 office https --now 2199-01-31T18:00:00Z
bulkhead explain $offline host web-1 ssh
bulkhead explain $offline job 198.51.100.9 https
bulkhead explain $offline job 1.1.1.1 tcp/25
bulkhead explain $offline stray job tcp/80
bulkhead explain $offline both web-1 tcp/80
bulkhead explain $offline 8.8.8.8 1.1.1.1 tcp/53
bulkhead explain $offline any any all
bulkhead explain --color always $offline web-1 db-1 tcp/5432 | cat -v
COLUMNS=40 bulkhead explain $offline web-1 203.0.113.66 https
bulkhead explain --policy policy shop office ssh
bulkhead explain --json $offline web-1 db-1 tcp/5432
bulkhead explain $offline web1 db-1 tcp/5432
bulkhead explain $offline web-1 db-1 tcp/5432x
bulkhead explain $offline --json web-1 db-1 htps
bulkhead explain --policy broken web-1 db-1 tcp/80
bulkhead --json explain --policy broken web-1 db-1 tcp/80 | cut -c 1-120
bulkhead explain --policy policy --world broken-world.yaml web-1 db-1 tcp/80
bulkhead explain --policy policy --world nowhere.yaml web-1 db-1 tcp/80
