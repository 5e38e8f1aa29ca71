# The environment of apps and sidecars for `dapr run -f dapr/apps.yaml` with the Redis of `dapr init`. Source it in the
# folder of the checkout: `. dapr/env.sh`. For another Redis, export REDIS_HOST and REDIS_PASSWORD before.
#
# It makes the keys and tokens once, in .run/secrets.env. Keep that file as long as the data: the keys seal what is in
# the store.

if [ -f dapr/env.sh ]; then
	mkdir -p .run
	touch .run/secrets.env
	chmod 600 .run/secrets.env
	for haberdash_name in ID_KEY KEY_ENCRYPTION_KEY APP_API_TOKEN DAPR_API_TOKEN; do
		if ! grep -q "^$haberdash_name=." .run/secrets.env; then
			echo "$haberdash_name=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" >>.run/secrets.env
		fi
	done
	unset haberdash_name
	set -a
	. ./.run/secrets.env
	REDIS_HOST=${REDIS_HOST:-localhost:6379}
	REDIS_PASSWORD=${REDIS_PASSWORD:-}
	set +a
else
	echo "dapr/env.sh: change to the folder of the checkout first" >&2
fi
