bulkhead explain $offline --batch questions
bulkhead explain $offline --batch questions --engine naive
bulkhead explain $offline --batch - <<<'web-1 db-1 tcp/5432'
printf 'web-1 db-1' | bulkhead explain $offline --batch -
printf 'web-1 db-1 tcp/5432' | bulkhead explain $offline --batch -
printf 'a\0b db-1 \377\n' | bulkhead explain $offline --batch -
{ printf 'web-1 db-1 tcp/5432\n'; printf 'x%.0s' {1..20000}; printf '\nweb-1 db-1 tcp/5433\n'; } | bulkhead explain $offline --batch -
bulkhead explain $offline --batch /dev/null
bulkhead explain $offline --batch nowhere
bulkhead explain --policy broken --batch questions | cut -c 1-60
