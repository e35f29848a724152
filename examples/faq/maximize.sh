# How do I maximize?
set -eu
journaltune create --param 'x: float(0, 1)' --maximize accuracy
journaltune ask -n 3
journaltune tell 0 0.71
journaltune tell 1 0.93
journaltune tell 2 0.88

journaltune best | grep '"number": 1, "value": 0.93'
journaltune status --format json | grep -q '"directions": \["maximize"\], "objectives": \["accuracy"\]'
