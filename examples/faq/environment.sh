# How do I know which versions a search ran with?
set -eu
echo 'numpy==2.4.0' >requirements.txt
journaltune create --param 'x: float(0, 1)' --lock-file requirements.txt
journaltune ask
journaltune tell 0 0.5

# The journal holds the versions of Python, the libraries and the platform, and the hash of your lock file.
journaltune status | grep '^with .*python.*lock_file'
hash=$(sha256sum requirements.txt | cut -d' ' -f1)
journaltune status --format json | grep -q "\"lock_file\": \"sha256:$hash\""

# verify recomputes the suggestions, and names what changed since they were made: here, nothing.
journaltune verify
journaltune verify --format json | grep -q '"environment_changes": {}'
